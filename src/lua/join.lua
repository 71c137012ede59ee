-- The short way of a request while nobody can be granted: another owner holds exclusively, or the first waiter has no room
-- beside the shared holders. The owner joins the end of the queue, or keeps its place there. Also the short way of a shared
-- request of one permit that has room while nobody waits. In any other state, for example if a shared holder has several
-- permits, this returns nil and has written nothing: see contended.
-- KEYS   see lease
-- Reply  see acquire
--include bounds: BELOW_TICKETS, HIGHEST, LARGEST, LOWEST_TICKET, SENDABLE, whole
--include call: call, now
--include claim: putClaim
--include clock: draw, drawn, drawnText, highest, upcoming
--include parts: aliveWaiter, partsOf
--include spec: hasRoom

-- Of a lock that is shared: ms until the first holder lapses, the number of holders, whether the first waiter has no room, or
-- the request itself if it is the first, and the text of the owner's spec. nil if a holder has lapsed or has several permits,
-- if the first waiter is dead, and if the server's clock has stepped back.
local function lookAtShared(count, claimsKey, specsKey, owner, mode, permits, limit)
  local first = call('ZRANGE', claimsKey, '0', '0', 'WITHSCORES')
  local left = first[2] - now
  if left <= 0 or left > LARGEST then return nil end -- the score of '' is below 0, and a ticket is far above LARGEST
  local sharers = call('ZCOUNT', claimsKey, '-inf', BELOW_TICKETS)
  local at = string.format('%d', sharers)
  local head = sharers < count and call('ZRANGE', claimsKey, at, at)[1] or owner
  local texts = call('HMGET', specsKey, first[1], owner, head)
  local ttl = string.match(texts[1] or '', '^s 1 %d+ ([1-9]%d*) ')
  if not ttl or left - ttl > 0 then return nil end
  if head ~= owner then mode, permits, limit = aliveWaiter(texts[3]) end
  if not mode then return nil end
  return left, sharers, not hasRoom(mode, permits, limit, sharers), texts[2]
end

return function(count, lockKey, claimsKey, specsKey, owner, text, stays, namedTicket)
  local mode, permits, limit, ttl, waiterTtl, _, last = partsOf(text)
  if not mode or last ~= '' then return nil end
  local value = call('GET', lockKey)
  local left, sharers, mustWait, ownText = nil, 0, value, nil
  if value then
    -- The fence is of 16 digits, and the first is no 9, so it is below HIGHEST; the ttl is of 10 digits at most.
    local from, _, fence, itsTtl = string.find(value, ' ([1-9]%d*) ([1-9]%d*)$', -28)
    if not from or from == 1 or #fence ~= 16 or fence >= '9' then return nil end
    if from == #owner + 1 and string.find(value, owner, 1, true) == 1 then return nil end
    left = call('PTTL', lockKey)
    if left < 0 or left - itsTtl > 0 then return nil end
    ownText = (namedTicket ~= '' or not stays) and call('HGET', specsKey, owner) -- else putClaim finds out whether it has one
  elseif count > 0 then
    left, sharers, mustWait, ownText = lookAtShared(count, claimsKey, specsKey, owner, mode, permits, limit)
    if not left then return nil end
  end
  if not mustWait then
    if mode == 'x' or permits > 1 or sharers < count or ownText or namedTicket ~= '' then return nil end
    local _, fence = draw()
    putClaim(count, claimsKey, specsKey, owner, text .. ' ' .. fence, string.format('%d', now + ttl), tonumber(ttl))
    return fence
  end
  if highest() >= HIGHEST then return nil end
  local ms, ticket, before = tonumber(waiterTtl), 0, count
  text = text .. ' ' .. string.format('%d', now + ms)
  if ownText or namedTicket ~= '' then
    ticket = aliveWaiter(ownText) == mode and whole(call('ZSCORE', claimsKey, owner), LOWEST_TICKET, SENDABLE)
    if not ticket or namedTicket ~= '' and not whole(namedTicket, LOWEST_TICKET, SENDABLE) then return nil end
    putClaim(count, claimsKey, specsKey, owner, text, nil, ms)
    before = call('ZRANK', claimsKey, owner)
  elseif stays then
    ticket = upcoming()
    local score = string.format('%d', ticket)
    if not putClaim(count, claimsKey, specsKey, owner, text, score, ms, true) then return nil end
    drawn, drawnText = ticket, score
  end
  return { left, before - sharers, 0, math.min(drawn, SENDABLE), ticket }
end
