-- Everyone but the exclusive holder who has a claim on a name.
-- claims  ZSET  owner -> of a shared holder the ms at which it lapses; of a waiter its ticket, which is FIRST at least
--               '' -> -(permits in use beyond one for each shared holder), where there are such
-- specs   HASH  owner -> "mode permits limit ttl waiterTtl channel", as it asked, and behind that of a shared holder its
--               fence, and " over" as in holder; of a waiter the ms at which it is dead unless it asks again before
-- mode is x or s, limit 0 for none. The channel is that of the owner's coordinator: see listen.
--include bounds
--include name
local LEFT = 0 -- the score of a shared holder whose permits have been given back

-- A spec, asked for or kept; nil where it is none. "last" is the number behind it, 0 where there is none.
function Name.parseSpec(text)
  local asked, mode, permits, limit, ttl, waiterTtl, channel, last, over =
    string.match(text or '', '^(([xs]) ([1-9]%d*) (%d+) ([1-9]%d*) ([1-9]%d*) ([psc%-]%S*))( ?%d*)( ?%l*)$')
  last = last == '' and 0 or tonumber(last)
  if not mode or not last or last > HIGHEST or over ~= '' and over ~= ' over' then return nil end
  permits, limit, ttl, waiterTtl = tonumber(permits), tonumber(limit), tonumber(ttl), tonumber(waiterTtl)
  if math.max(permits, limit, ttl, waiterTtl) > LONGEST or limit > 0 and permits > limit then return nil end
  return {
    asked = asked, mode = mode, permits = permits, limit = limit, ttl = ttl, waiterTtl = waiterTtl,
    channel = channel, last = last, over = over ~= '',
  }
end

-- Reads who shares the name: how many, and how many permits they use beyond one each. Plans that who has lapsed goes.
function Name.readSharers(name)
  local lapsed = redis.call('ZRANGEBYSCORE', name.claims, '-inf', name.now, 'WITHSCORES') -- '' is below all times
  name.sharers, name.lapsed = name.others - #lapsed / 2, #lapsed / 2
  if lapsed[1] == '' then name.kept = math.max(1, math.min(-lapsed[2], HIGHEST)) end
  name.beyond = name.sharers > 0 and name.kept or 0
  for i = name.kept > 0 and 3 or 1, #lapsed, 2 do
    local owner = lapsed[i]
    local spec = name.parseSpec(redis.call('HGET', name.specs, owner))
    if spec and tonumber(lapsed[i + 1]) > LEFT then name.beyond = math.max(0, name.beyond - spec.permits + 1) end
    name.gone[owner] = true
  end
end

-- The table of a name. Of the claims, as many as "count", "others" are those that do not wait, the first in the order.
function Name.load(lockKey, claimsKey, specsKey, count, value)
  local name = setmetatable({
    lock = lockKey, claims = claimsKey, specs = specsKey, count = count, holder = Name.parseHolder(value),
    others = 0, lapsed = 0, sharers = 0, beyond = 0, kept = 0,
    fields = {}, scores = {}, gone = {}, lasting = 0, own = {}, grants = 0,
  }, Name)
  if count > 0 then name.others = redis.call('ZCOUNT', claimsKey, '-inf', '(100000000000000') end
  if name.others > 0 then name:readSharers() end
  return name
end

-- What the owner has by its claim: its spec, as one that "shares" or is "queued"; nil where that has lapsed, or is none.
function Name.claimOf(name, owner)
  local rank = name.count > 0 and redis.call('ZRANK', name.claims, owner)
  name.claimed = rank and true -- also by a claim that has lapsed
  if not rank or rank < name.lapsed then return nil end
  local spec = name.parseSpec(redis.call('HGET', name.specs, owner))
  if rank < name.others then
    if not spec or spec.last == 0 then
      error(redis.error_reply('REDISYNC_CORRUPTED the spec of a shared lease is unreadable'))
    end
    spec.shares = true
    return spec
  end
  if not spec or spec.last <= name.now then return nil end
  spec.queued = true
  return spec
end
