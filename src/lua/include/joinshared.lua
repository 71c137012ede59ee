-- The short way of a shared request while nobody holds the lock exclusively, and every shared holder has one permit. The owner
-- becomes a holder if there is room and nobody waits. It joins the end of the queue if the first waiter, or the owner itself
-- where nobody waits, has no room. In any other state this returns nil and has written nothing: see contended.
--include bounds
--include call
--include claim
--include clock
--include spec

-- Returns the ms until the first shared holder lapses, and the number of shared holders. Returns nil if a shared holder has
-- lapsed or has several permits, or if the server's clock has stepped back.
local function sharedLeft(claimsKey, specsKey)
  local first = redis.call('ZRANGE', claimsKey, '0', '0', 'WITHSCORES')
  local left = first[2] - now
  if left <= 0 or left > LONGEST then return nil end -- the entry '' has a score below 0, and a ticket is far above LONGEST
  local ttl = string.match(redis.call('HGET', specsKey, first[1]) or '', '^s 1 %d+ ([1-9]%d*) ')
  if not ttl or left > tonumber(ttl) then return nil end
  return left, redis.call('ZCOUNT', claimsKey, '-inf', BELOW)
end

local function joinShared(count, lockKey, claimsKey, specsKey, owner, text, stays)
  local mode, permits, limit, ttl, waiterTtl, _, rest = partsOf(text)
  if not mode or rest ~= '' then return nil end
  if redis.call('GET', lockKey) or count > 0 and redis.call('ZRANK', claimsKey, owner) then return nil end
  local left, sharers = nil, 0
  if count > 0 then left, sharers = sharedLeft(claimsKey, specsKey) end
  if sharers == count and mode == 's' and permits == 1 and not isHeldBack(mode, permits, limit, sharers) then
    local _, fence = draw()
    local ms = tonumber(ttl)
    put(count, claimsKey, specsKey, owner, text .. ' ' .. fence, digits(now + ms), ms)
    return fence
  end
  if not left then return nil end
  if sharers < count then
    mode, permits, limit = aliveWaiter(specsKey, redis.call('ZRANGE', claimsKey, digits(sharers), digits(sharers))[1])
  end
  if not mode or not isHeldBack(mode, permits, limit, sharers) then return nil end
  if not stays then
    upcoming() -- ends with an error if there is no higher number any more
    return { left, count - sharers, 0, math.min(highest(), SENDABLE), 0, {} }
  end
  local ticket, ticketText = draw()
  local ms = tonumber(waiterTtl)
  put(count, claimsKey, specsKey, owner, text .. ' ' .. digits(now + ms), ticketText, ms)
  return { left, count - sharers, 0, math.min(ticket, SENDABLE), ticket, {} }
end
