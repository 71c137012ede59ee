-- A lock that nobody waits for or shares is taken and given up by few calls. Whatever else there is, is left to acquire and
-- release; they are defined at their first use, since that takes as long as a free lock does.
--include batch
--include bounds
--include clock

local defined
local function contended()
  defined = defined or (function()
--embed contended
  end)()
  return defined
end

local function acquireFree(lockKey, claimsKey, specsKey, owner, text, notAfter, stay, told, more)
  local count = redis.call('ZCARD', claimsKey)
  local ttl, latest = string.match(text, '^x 1 0 ([1-9]%d*) '), whole(notAfter, call.now, HIGHEST)
  if count == 0 and ttl and #ttl < 10 and latest and owner ~= '' and told == '' and not more then
    local fence = string.format('%d', upcoming())
    if redis.call('SET', lockKey, owner .. ' ' .. fence .. ' ' .. ttl, 'NX', 'PX', ttl) then
      draw()
      return fence
    end
  end
  return contended().acquire(count, lockKey, claimsKey, specsKey, owner, text, notAfter, stay, told, more)
end

-- Whether a value tells of the owner's lease, and of the one with this fence where one is told ("0" is none): see holder.
local function tells(value, owner, fence)
  if not value or string.sub(value, 1, #owner) ~= owner then return false end
  local told = string.match(value, '^ ([1-9]%d*) [1-9]%d*$', #owner + 1)
  return told and (fence == '0' or told == fence)
end

local function releaseFree(lockKey, claimsKey, specsKey, owner, fence, channel, notAfter, keep, more)
  local value, latest = redis.call('GET', lockKey), whole(notAfter, call.now, HIGHEST)
  if latest and keep == '0' and not more and string.byte(channel) ~= 33 and owner ~= '' and tells(value, owner, fence)
    and redis.call('ZCARD', claimsKey) == 0 then
    redis.call('DEL', lockKey)
    return 1
  end
  return contended().release(value, lockKey, claimsKey, specsKey, owner, fence, channel, notAfter, keep, more)
end

local function share(...)
  return contended().share(nil, ...)
end

local function raise(...)
  return contended().raise(nil, ...)
end
