-- How long until a holder lapses. If a holder has more left than its own ttl, the server's clock has stepped back; then these
-- functions also plan that each lease is cut to its ttl.
--include bounds: LARGEST
--include call: call, now
--include claims: add
--include parse: parseSpec

local function exclusiveLeft(state)
  local left, most = call('PTTL', state.lockKey), state.holder.ttl or LARGEST
  if left == -1 then error(redis.error_reply('REDISYNC_CORRUPTED the key has no expiry, so it is no lock')) end
  if left > most and not state.holder.plain then state.cutLockTo = most end
  return math.min(left, most)
end

local function sharedLeft(state)
  if state.lapsed == state.nonWaiters then return LARGEST end
  local owner, lapses = unpack(call('ZRANGE', state.claimsKey, state.lapsed, state.lapsed, 'WITHSCORES'))
  local spec, left = parseSpec(call('HGET', state.specsKey, owner)), lapses - now
  if not spec or left <= spec.ttl then return left end
  for _, each in ipairs(call('ZRANGE', state.claimsKey, state.lapsed, state.nonWaiters - 1)) do
    local its, score = parseSpec(call('HGET', state.specsKey, each)), call('ZSCORE', state.claimsKey, each)
    state.scores = add(state.scores, its and math.min(now + its.ttl, tonumber(score)) or score, each)
  end
  return spec.ttl
end

-- ms until the first lapses, of the holders before this call and those that it has granted.
local function untilLapse(state)
  if state.lockMs then return state.lockMs end
  return math.min(state.holder and exclusiveLeft(state) or sharedLeft(state), state.shortestMs or LARGEST)
end
