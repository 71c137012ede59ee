-- The short way of an exclusive request for a lock that another owner holds exclusively: it joins the end of the queue. There
-- is nothing to grant. In any other state this returns nil and has written nothing: see contended.
-- KEYS   see lease
-- Reply  see acquire
--include bounds
--include call
--include claim
--include clock

return function(count, lockKey, claimsKey, specsKey, owner, text, stays)
  local asked, waiterTtl = string.match(text, '^x 1 0 ([1-9]%d*) ([1-9]%d*) [psc%-]%S*$')
  if not asked or not stays or #asked > 9 or #waiterTtl > 9 then return nil end
  local value = redis.call('GET', lockKey)
  local from, _, fence, ttl = string.find(value or '', ' ([1-9]%d*) ([1-9]%d*)$', 2) -- behind its owner: see holder
  if not from or #fence > 15 and tonumber(fence) > HIGHEST or #ttl > 9 or string.sub(value, 1, from - 1) == owner then
    return nil
  end
  if count > 0 and redis.call('ZSCORE', claimsKey, owner) then return nil end
  local left = redis.call('PTTL', lockKey)
  if left < 0 or left > tonumber(ttl) then return nil end
  local ticket, ticketText = draw()
  local ms = tonumber(waiterTtl)
  put(count, claimsKey, specsKey, owner, text .. ' ' .. digits(now + ms), ticketText, ms)
  return { left, count, 0, math.min(ticket, SENDABLE), ticket, {} }
end
