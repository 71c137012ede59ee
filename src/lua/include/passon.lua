-- The short way to release a shared lease of one permit. If the first waiter asked for one permit, too, and has room now, it
-- becomes a holder; the second waiter must then have no room. If the first waiter has no room, the owner only leaves.
-- In any other state this returns nil and has written nothing: see contended.
--include bounds
--include call
--include claim
--include clock
--include expire
--include listen
--include spec

local function passOn(count, lockKey, claimsKey, specsKey, owner, itsFence, asking)
  local text, rank = redis.call('HGET', specsKey, owner), redis.call('ZRANK', claimsKey, owner)
  local mode, permits, limit, ttl, waiterTtl, channel, number, asked = partsOf(text)
  if not rank or mode ~= 's' or permits ~= 1 or number ~= ' ' .. itsFence then return nil end
  if redis.call('ZCOUNT', claimsKey, '-inf', digits(now)) > 0 then return nil end -- lapsed, or several permits
  local sharers = redis.call('ZCOUNT', claimsKey, '-inf', BELOW)
  if rank >= sharers then return nil end
  local head, second = unpack(sharers < count and redis.call('ZRANGE', claimsKey, digits(sharers), digits(sharers + 1)) or {})
  if head then mode, permits, limit, ttl, waiterTtl, channel, asked = aliveWaiter(specsKey, head) end
  if not mode then return nil end
  if not head or isHeldBack(mode, permits, limit, sharers - 1) then
    drop(count, claimsKey, specsKey, owner)
    return { 1, 0, {} }
  end
  local isAskers = channel == asking
  if mode == 'x' or permits > 1 or highest() >= HIGHEST or not isAskers and (isSilent(channel) or not mayBeGranted(channel)) then
    return nil
  end
  if second then
    local nextMode, nextPermits, nextLimit = aliveWaiter(specsKey, second)
    if not nextMode or not isHeldBack(nextMode, nextPermits, nextLimit, sharers) then return nil end
  end
  local _, fence = draw()
  local ms = math.min(ttl, waiterTtl)
  local short = redis.call('PTTL', specsKey) < ms
  write('HDEL', specsKey, '')
  write('HSET', specsKey, head, asked .. ' ' .. fence)
  if short then expire(specsKey, ms, false) end
  write('ZADD', claimsKey, digits(now + ms), head)
  if short then expire(claimsKey, ms, false) end
  drop(count, claimsKey, specsKey, owner)
  if isAskers then return { 1, 1, { head, fence } } end
  publish(channel, cjson.encode({ lockKey, head, fence }))
  return { 1, 1, {} }
end
