-- The short way to release an exclusive lease: the first waiter gets it, if it asks for an exclusive one, too. In any other state
-- this returns nil and has written nothing: see contended.
-- KEYS   see lease
-- Reply  see release
--include bounds: HIGHEST
--include call: dirty
--include clock: draw, highest
--include listen: listensYet, mayBeGranted, publish
--include parts: aliveWaiter, lesser

return function(lockKey, claimsKey, specsKey, asking)
  local head = redis.call('ZRANGE', claimsKey, '0', '0')[1]
  local mode, _, _, ttl, waiterTtl, channel = aliveWaiter(redis.call('HGET', specsKey, head))
  if mode ~= 'x' or highest() >= HIGHEST then return nil end
  if channel ~= asking and not (listensYet(channel) and mayBeGranted(channel)) then return nil end
  local _, fence = draw()
  redis.call('HDEL', specsKey, head) -- should a later write fail, the waiter has its place again when it asks again
  dirty = true
  redis.call('SET', lockKey, head .. ' ' .. fence .. ' ' .. ttl, 'PX', lesser(ttl, waiterTtl))
  redis.call('ZREM', claimsKey, head)
  if channel == asking then return { 1, 1, head, fence } end
  publish(channel, cjson.encode({ lockKey, head, fence }))
  return { 1, 1 }
end
