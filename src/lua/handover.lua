-- The short way to release an exclusive lease for which others wait: the first waiter becomes the exclusive holder.
-- In any other state this returns nil and has written nothing: see contended.
-- KEYS   see lease
-- Reply  see release
--include call
--include claim
--include clock
--include listen

return function(count, lockKey, claimsKey, specsKey, _, _, asking)
  local head = redis.call('ZRANGE', claimsKey, '0', '0')[1]
  local ttl, waiterTtl, channel, deadline =
    string.match(redis.call('HGET', specsKey, head) or '', '^x 1 0 ([1-9]%d*) ([1-9]%d*) ([psc%-]%S*) (%d+)$')
  if not ttl or #ttl > 9 or #waiterTtl > 9 then return nil end
  local left, most = deadline - now, tonumber(waiterTtl)
  if left <= 0 or left > most or highest() >= HIGHEST then return nil end
  local isAskers = channel == asking
  if not isAskers and (isSilent(channel) or not mayBeGranted(channel)) then return nil end
  local _, fence = draw()
  write('HDEL', specsKey, '') -- deletes nothing; a full memory refuses no later write: see commit
  write('SET', lockKey, head .. ' ' .. fence .. ' ' .. ttl, 'PX', tonumber(ttl) < most and ttl or waiterTtl)
  drop(count, claimsKey, specsKey, head)
  if isAskers then return { 1, 1, { head, fence } } end
  publish(channel, cjson.encode({ lockKey, head, fence }))
  return { 1, 1, {} }
end
