-- Everyone but the exclusive holder who has a claim on a name.
-- claims  ZSET  owner -> of a shared holder the ms at which it lapses; of a waiter its ticket, which is FIRST at least
--               '' -> -(permits in use beyond one for each shared holder), where there are such
-- specs   HASH  owner -> "mode permits limit ttl waiterTtl channel", as it asked, and behind that of a shared holder its
--               fence, and " over" as in holder; of a waiter the ms at which it is dead unless it asks again before
-- mode is x or s, limit 0 for none. The channel is that of the owner's coordinator: see listen.
--include bounds
--include call
local LEFT = 0 -- the score of a shared holder whose permits have been given back

-- A spec, asked for or kept; nil where it is none. "last" is the number behind it, 0 where there is none.
local function parseSpec(text)
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

-- The table of a name: its keys, what there is, and what is planned. Of its claims, as many as "count", the "others", those
-- that do not wait, are the first in the order. Beside an exclusive holder there are none.
local function loadName(lockKey, claimsKey, specsKey, count, holder)
  local name = {
    lock = lockKey, claims = claimsKey, specs = specsKey, count = count, holder = holder,
    others = 0, lapsed = 0, sharers = 0, beyond = 0, kept = 0, -- beyond: permits in use, but for one for each sharer
    gone = {}, own = {}, lasting = 0, grants = 0, -- planned: see commit
  }
  if count > 0 and not holder then name.others = redis.call('ZCOUNT', claimsKey, '-inf', '(100000000000000') end
  if name.others == 0 then return name end
  local lapsed = redis.call('ZRANGEBYSCORE', claimsKey, '-inf', call.now, 'WITHSCORES') -- '' is below all times
  name.sharers, name.lapsed = name.others - #lapsed / 2, #lapsed / 2
  if lapsed[1] == '' then name.kept = math.max(1, math.min(-lapsed[2], HIGHEST)) end
  name.beyond = name.sharers > 0 and name.kept or 0
  for i = name.kept > 0 and 3 or 1, #lapsed, 2 do
    local spec = parseSpec(redis.call('HGET', specsKey, lapsed[i]))
    if spec and tonumber(lapsed[i + 1]) > LEFT then name.beyond = math.max(0, name.beyond - spec.permits + 1) end
    name.gone[lapsed[i]] = true
  end
  return name
end

-- What the owner has by its claim: its spec, as one that "shares" or is "queued"; nil where that has lapsed, or is none.
local function claimOf(name, owner)
  local score = name.count > 0 and redis.call('ZSCORE', name.claims, owner)
  name.claimed = score and true -- also by a claim that has lapsed
  if not score then return nil end
  local spec = parseSpec(redis.call('HGET', name.specs, owner))
  score = tonumber(score)
  if score <= call.now then return nil end
  if score < FIRST and (not name.holder or spec and spec.last >= FIRST) then
    if not spec or spec.last == 0 then
      error(redis.error_reply('REDISYNC_CORRUPTED the spec of a shared lease is unreadable'))
    end
    spec.shares = true
    return spec
  end
  if not spec or spec.last <= call.now or spec.last >= FIRST then return nil end
  spec.queued = whole(score, FIRST, HIGHEST - 1) or 0 -- its ticket
  return spec
end
