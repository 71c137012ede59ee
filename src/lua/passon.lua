-- The short way to release a shared lease of one permit. The first waiter gets it, if it asks for a shared one of one permit and
-- the next waiter has no room. If nobody waits, or the first waiter has no room yet, its owner only leaves. In any other state
-- this returns nil and has written nothing: see contended.
-- KEYS   see lease
-- Reply  see release
--include bounds: BELOW_TICKETS, HIGHEST
--include call: call, hasWritten, now
--include claim: putClaim
--include clock: draw, highest
--include listen: publish, tellingOf
--include parts: aliveWaiter
--include spec: hasRoom

-- Removes one of the "count" claims. With the last one both keys are deleted.
local function removeClaim(count, claimsKey, specsKey, owner)
  if count > 1 then
    call('ZREM', claimsKey, owner)
    hasWritten = true
    call('HDEL', specsKey, owner)
  else
    call('DEL', claimsKey)
    hasWritten = true
    call('DEL', specsKey)
  end
end

return function(count, lockKey, claimsKey, specsKey, owner, itsFence, askingChannel)
  local rank, sharers = call('ZRANK', claimsKey, owner), call('ZCOUNT', claimsKey, '(' .. now, BELOW_TICKETS)
  if not rank or rank >= sharers then return nil end
  -- With the entry '', or a lease that has lapsed, before them, a shared holder is at this index, which is no waiter.
  local at = string.format('%d', sharers)
  local waiters = call('ZRANGE', claimsKey, at, string.format('%d', sharers + 1))
  local head, nextOwner = waiters[1], waiters[2]
  local texts = call('HMGET', specsKey, head or '', nextOwner or '', owner)
  if string.match(texts[3] or '', '^s 1 .* (%d+)$') ~= itsFence then return nil end
  local mode, permits, limit, _, ms, channel, deadline = aliveWaiter(texts[1])
  if head and not mode then return nil end
  if not head or not hasRoom(mode, permits, limit, sharers - 1) then
    removeClaim(count, claimsKey, specsKey, owner)
    return { 1, 0 }
  end
  if mode == 'x' or permits > 1 or highest() >= HIGHEST then return nil end
  if nextOwner then
    local nextMode, nextPermits, nextLimit = aliveWaiter(texts[2])
    if not nextMode or hasRoom(nextMode, nextPermits, nextLimit, sharers) then return nil end
  end
  local telling = tellingOf(channel, askingChannel)
  if not telling or telling == 'later' then return nil end
  local _, fence = draw()
  local text = string.sub(texts[1], 1, -1 - #deadline) .. ' ' .. fence
  removeClaim(count, claimsKey, specsKey, owner) -- first, for a full memory refuses neither that nor any later write
  putClaim(count, claimsKey, specsKey, head, text, string.format('%d', now + ms), tonumber(ms))
  if telling == 'reply' then return { 1, 1, head, fence } end
  publish(telling, channel, cjson.encode({ lockKey, head, fence }))
  return { 1, 1 }
end
