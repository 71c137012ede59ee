-- The short way to release a lease of one permit. The first waiter gets it: an exclusive one if it asks for an exclusive one, a
-- shared one if it asks for one permit, and the next waiter has no room. If nobody waits for a shared lease, or the first waiter
-- has no room yet, its owner only leaves. In any other state this returns nil and has written nothing: see contended.
-- KEYS   see lease
-- Reply  see release
--include bounds: BELOW_TICKETS, HIGHEST
--include call: dirty, now
--include claim: drop, put
--include clock: draw, highest
--include listen: listensYet, mayBeGranted, publish
--include parts: aliveWaiter
--include spec: hasRoom

-- value: of the lock, if the owner holds exclusively; nil if nobody does.
return function(count, lockKey, claimsKey, specsKey, owner, itsFence, asking, value)
  local isShared, at, waiters, texts = not value, 0, nil, nil
  if isShared then
    local rank, sharers = redis.call('ZRANK', claimsKey, owner), redis.call('ZCOUNT', claimsKey, '(' .. now, BELOW_TICKETS)
    if not rank or rank >= sharers then return nil end
    -- With the entry '', or a lease that has lapsed, before them, a shared holder is at this index, which is no waiter.
    at, waiters = sharers, redis.call('ZRANGE', claimsKey, string.format('%d', sharers), string.format('%d', sharers + 1))
    texts = redis.call('HMGET', specsKey, waiters[1] or '', waiters[2] or '', owner)
    if string.match(texts[3] or '', '^s 1 .* (%d+)$') ~= itsFence then return nil end
  else
    waiters = redis.call('ZRANGE', claimsKey, '0', '0')
    texts = { redis.call('HGET', specsKey, waiters[1]) }
  end
  local head, mode, permits, limit, ttl, waiterTtl, channel, deadline = waiters[1], aliveWaiter(texts[1])
  if head and not mode then return nil end
  if isShared and (not head or not hasRoom(mode, permits, limit, at - 1)) then
    drop(count, claimsKey, specsKey, owner)
    return { 1, 0 }
  end
  if (mode == 's') ~= isShared or permits > 1 or highest() >= HIGHEST then return nil end
  if isShared and waiters[2] then
    local nextMode, nextPermits, nextLimit = aliveWaiter(texts[2])
    if not nextMode or hasRoom(nextMode, nextPermits, nextLimit, at) then return nil end
  end
  if channel ~= asking and not (listensYet(channel) and mayBeGranted(channel)) then return nil end
  local _, fence = draw()
  local ms = ttl - waiterTtl < 0 and ttl or waiterTtl
  -- What is removed first is not refused by a full memory, which then refuses no later write either.
  if isShared then
    local text = string.sub(texts[1], 1, -1 - #deadline) .. ' ' .. fence
    drop(count, claimsKey, specsKey, owner)
    put(count, claimsKey, specsKey, head, text, string.format('%d', now + ms), tonumber(ms))
  else
    redis.call('HDEL', specsKey, head) -- should a later write fail, the waiter has its place again when it asks again
    dirty = true
    redis.call('SET', lockKey, head .. ' ' .. fence .. ' ' .. ttl, 'PX', ms)
    redis.call('ZREM', claimsKey, head)
  end
  if channel == asking then return { 1, 1, head, fence } end
  publish(channel, cjson.encode({ lockKey, head, fence }))
  return { 1, 1 }
end
