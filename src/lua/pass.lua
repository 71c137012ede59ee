-- The short way to release an exclusive lease: the first waiter gets it, if it asks for an exclusive one, too. In any other state
-- this returns nil and has written nothing: see contended.
-- KEYS   see lease
-- Reply  see release
--include bounds: HIGHEST
--include call: call, hasWritten
--include clock: draw, highest
--include listen: publish, tellingOf
--include parts: aliveWaiter

return function(lockKey, claimsKey, specsKey, askingChannel)
  local head = call('ZRANGE', claimsKey, '0', '0')[1]
  local mode, _, _, ttl, ms, channel = aliveWaiter(call('HGET', specsKey, head))
  if mode ~= 'x' or highest() >= HIGHEST then return nil end
  local telling = tellingOf(channel, askingChannel)
  if not telling or telling == 'later' then return nil end
  local _, fence = draw()
  call('HDEL', specsKey, head) -- should a later write fail, the waiter has its place again when it asks again with its ticket
  hasWritten = true
  call('SET', lockKey, head .. ' ' .. fence .. ' ' .. ttl, 'PX', ms)
  call('ZREM', claimsKey, head)
  if telling == 'reply' then return { 1, 1, head, fence } end
  publish(telling, channel, cjson.encode({ lockKey, head, fence }))
  return { 1, 1 }
end
