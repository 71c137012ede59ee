-- The fast path: a lock that nobody waits for or shares is taken and given up by few calls, of which one writes, so that an
-- error is never behind a write. The rest is defined where it is needed, since that takes as long as a free lock does.
--include batch
--include bounds
--include clock

local ways
local function contended()
  ways = ways or (function()
--embed contended
  end)()
  return ways
end

local function acquire(lockKey, claimsKey, specsKey, owner, text, notAfter, stay, ticketTold, more)
  local latest = whole(notAfter, 0, HIGHEST)
  if owner == '' or not latest or not ticketTold or more then
    return redis.error_reply('REDISYNC_ARGUMENT owner, spec, not-after, "1" to stay, ticket')
  end
  if call.now > latest then return -1 end
  local count = redis.call('ZCARD', claimsKey)
  local ttl = count == 0 and ticketTold == '' and string.match(text, '^x 1 0 ([1-9]%d*) ')
  if ttl and #ttl < 10 then
    local fence = digits(upcoming())
    if redis.call('SET', lockKey, owner .. ' ' .. fence .. ' ' .. ttl, 'NX', 'PX', ttl) then
      draw()
      return fence
    end
  end
  local isNew = stay == '1' and ticketTold == ''
  local joined = isNew and contended().join(count, lockKey, claimsKey, specsKey, owner, text)
  return joined or contended().inFull('acquire')(count, lockKey, claimsKey, specsKey, owner, text, stay, ticketTold)
end

-- Whether a value tells of the owner's lease, and of the one with this fence where one is told ("0" is none): see holder.
local function tells(value, owner, fence)
  if not value or string.sub(value, 1, #owner) ~= owner then return false end
  local itsFence = string.match(value, '^ ([1-9]%d*) [1-9]%d*$', #owner + 1)
  return itsFence and (fence == '0' or itsFence == fence)
end

local function release(lockKey, claimsKey, specsKey, owner, fence, channel, notAfter, keep, more)
  local latest = whole(notAfter, 0, HIGHEST)
  if not latest or more then
    return redis.error_reply('REDISYNC_ARGUMENT owner, fence, channel, not-after, keep')
  end
  if call.now > latest then return -1 end
  local value = redis.call('GET', lockKey)
  local queues = string.sub(channel, 1, 1) ~= '!' -- see release
  if keep == '0' and queues and owner ~= '' and tells(value, owner, fence) then
    local count = redis.call('ZCARD', claimsKey)
    if count == 0 then
      redis.call('DEL', lockKey)
      return 1
    end
    -- Without a fence its owner may have a place in the queue, too, which goes with the lease.
    local handed = fence ~= '0' and contended().handOver(count, lockKey, claimsKey, specsKey, channel)
    if handed then return handed end
  end
  return contended().inFull('release')(value, lockKey, claimsKey, specsKey, owner, fence, channel, keep)
end

local function share(...)
  return contended().inFull('share')(...)
end

local function raise(...)
  return contended().inFull('raise')(...)
end
