-- How long until a holder lapses. If a holder has more left than its own ttl, the server's clock has stepped back; then what
-- is left of each lease is cut to its ttl.
--include claims
--include holder
--include plan

local function exclusiveLeft(name)
  local left, most = redis.call('PTTL', name.lock), name.holder.ttl or LONGEST
  if left == -1 then error(redis.error_reply('REDISYNC_CORRUPTED the key has no expiry, so it is no lock')) end
  if left > most and not name.holder.plain then name.shortenTo = most end -- planned: see commit
  return math.min(left, most)
end

local function sharedLeft(name)
  if name.lapsed == name.nonWaiters then return LONGEST end
  local owner, lapses = unpack(redis.call('ZRANGE', name.claims, name.lapsed, name.lapsed, 'WITHSCORES'))
  local spec, left = parseSpec(redis.call('HGET', name.specs, owner)), lapses - now
  if not spec or left <= spec.ttl then return left end
  for _, each in ipairs(redis.call('ZRANGE', name.claims, name.lapsed, name.nonWaiters - 1)) do
    local its, score = parseSpec(redis.call('HGET', name.specs, each)), redis.call('ZSCORE', name.claims, each)
    name.scores = add(name.scores, its and math.min(now + its.ttl, tonumber(score)) or score, each)
  end
  return spec.ttl
end

-- ms until the first lapses, of the holders before this call and those that it has granted.
local function untilLapse(name)
  if name.left then return name.left end
  return math.min(name.holder and exclusiveLeft(name) or sharedLeft(name), name.soonest or LONGEST)
end
