-- The ways that there are once a lock is not free. One that is held exclusively and waited for, as it mostly is, goes from
-- one owner to the next by join and handOver. They answer as the verbs in full would, and only where all is as it should be;
-- else they write nothing, and answer nothing.
-- KEYS   see lease
-- Reply  see acquire and release
--include bounds
--include call
--include clock
--include expire
--include listen

-- Joins the queue behind all. Another holds the lock, so nobody is to be granted anything.
local function join(count, lockKey, claimsKey, specsKey, owner, text)
  local asked, waiterTtl = string.match(text, '^x 1 0 ([1-9]%d*) ([1-9]%d*) [psc%-]%S*$')
  waiterTtl = tonumber(waiterTtl)
  local value = redis.call('GET', lockKey)
  local from, _, fence, ttl = string.find(value or '', ' ([1-9]%d*) ([1-9]%d*)$', 2) -- behind an owner: see holder
  if not asked or math.max(asked, waiterTtl) > LONGEST or not from or math.max(fence, ttl) > HIGHEST then return nil end
  if string.sub(value, 1, from - 1) == owner then return nil end
  if count > 0 and redis.call('ZSCORE', claimsKey, owner) then return nil end
  local left = redis.call('PTTL', lockKey)
  if left < 0 or left > tonumber(ttl) then return nil end
  local ticket, specsPttl = draw(), count > 0 and redis.call('PTTL', specsKey) or -2
  write('HSET', specsKey, owner, text .. ' ' .. (call.now + waiterTtl))
  if specsPttl < waiterTtl then expire(specsKey, waiterTtl, specsPttl == -2) end
  write('ZADD', claimsKey, digits(ticket), owner)
  if specsPttl < waiterTtl then expire(claimsKey, waiterTtl, count == 0) end
  return { left, count, 0, math.min(ticket, HIGHEST - 1), ticket, {} }
end

-- Makes the first waiter the holder, in place of one who gives up its lease.
local function handOver(count, lockKey, claimsKey, specsKey, asking)
  local head = redis.call('ZRANGE', claimsKey, '0', '0')[1]
  local ttl, waiterTtl, channel, deadline =
    string.match(redis.call('HGET', specsKey, head) or '', '^x 1 0 ([1-9]%d*) ([1-9]%d*) ([psc%-]%S*) (%d+)$')
  local left = ttl and deadline - call.now or 0
  local isAskers = channel == asking
  if left <= 0 or left > tonumber(waiterTtl) or #ttl > 9 or highest() >= HIGHEST then return nil end
  if not isAskers and (isSilent(channel) or not mayBeGranted(channel)) then return nil end
  local fence = digits(draw())
  write('HDEL', specsKey, '') -- of nothing: see commit
  write('SET', lockKey, head .. ' ' .. fence .. ' ' .. ttl, 'PX', #ttl < #waiterTtl and ttl or math.min(ttl, waiterTtl))
  if count > 1 then
    write('ZREM', claimsKey, head)
    write('HDEL', specsKey, head)
  else
    write('DEL', claimsKey)
    write('DEL', specsKey)
  end
  if isAskers then return { 1, 1, { head, fence } } end
  tell(channel, cjson.encode({ lockKey, head, fence }))
  return { 1, 1, {} }
end

local verbs, define = {}, nil
local function inFull(verb)
  define = define or (function()
--embed full
  end)()
  verbs[verb] = verbs[verb] or define(verb)
  return verbs[verb]
end

return { join = join, handOver = handOver, inFull = inFull }
