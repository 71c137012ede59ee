-- The short way to acquire what others share: shares it, too, where there is room and nobody waits; else joins the queue,
-- where nobody is to be granted anything. It answers nothing, with nothing written, wherever it is not as plain as that.
--include bounds
--include call
--include clock
--include expire
--include spec

-- ms until the first shared holder lapses, and how many there are; nil where one has lapsed, or has several permits.
local function sharedLeft(claimsKey, specsKey)
  local first = redis.call('ZRANGE', claimsKey, '0', '0', 'WITHSCORES')
  local left = first[2] - now
  if left <= 0 or left > LONGEST then return nil end -- '' comes first, and tickets are far above
  local ttl = string.match(redis.call('HGET', specsKey, first[1]) or '', '^s 1 %d+ ([1-9]%d*) ')
  if not ttl or left > tonumber(ttl) then return nil end
  return left, redis.call('ZCOUNT', claimsKey, '-inf', BELOW)
end

-- Writes a claim of the owner's, which lasts for so many ms.
local function put(count, claimsKey, specsKey, owner, text, score, ms)
  local left = count > 0 and redis.call('PTTL', specsKey) or -2
  write('HSET', specsKey, owner, text)
  if left < ms then expire(specsKey, ms, left == -2) end
  write('ZADD', claimsKey, score, owner)
  if left < ms then expire(claimsKey, ms, count == 0) end
end

local function joinShared(count, lockKey, claimsKey, specsKey, owner, text, stays)
  local mode, permits, limit, ttl, waiterTtl, _, rest = partsOf(text)
  if not mode or rest ~= '' then return nil end
  if redis.call('EXISTS', lockKey) == 1 or count > 0 and redis.call('ZRANK', claimsKey, owner) then return nil end
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
    upcoming() -- refuses, where there is no number any more
    return { left, count - sharers, 0, math.min(highest(), HIGHEST - 1), 0, {} }
  end
  local ticket, ticketText = draw()
  local ms = tonumber(waiterTtl)
  put(count, claimsKey, specsKey, owner, text .. ' ' .. digits(now + ms), ticketText, ms)
  return { left, count - sharers, 0, math.min(ticket, HIGHEST - 1), ticket, {} }
end
