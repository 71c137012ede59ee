-- The verbs of lease. A lock that nobody waits for or shares is acquired and released here, by few calls of Redis, of which
-- one writes, so no error comes after a write. Everything else is defined only when it is needed: see contended.
--include call: call
--include clock: drawn, drawnText, upcoming
--include late: isLate

local join, pass, passOn, fullVerb -- once they are defined
local function contended(...)
--embed contended
end

local function acquire(lockKey, claimsKey, specsKey, owner, text, notAfter, stay, namedTicket, more)
  local late = isLate(notAfter)
  if owner == '' or late == nil or not stay or more then
    return redis.error_reply('REDISYNC_ARGUMENT owner, spec, not-after, "1" to stay, ticket')
  end
  if late then return -1 end
  local count = call('ZCARD', claimsKey)
  local ttl = count == 0 and (namedTicket or '') == '' and string.match(text, '^x 1 0 ([1-9]%d*) ')
  if ttl and #ttl < 10 then
    local number = upcoming()
    local fence = string.format('%d', number)
    if call('SET', lockKey, owner .. ' ' .. fence .. ' ' .. ttl, 'NX', 'PX', ttl) then
      drawn, drawnText = number, fence
      return fence
    end
  end
  join = join or contended('join')
  local answer = join(count, lockKey, claimsKey, specsKey, owner, text, stay == '1', namedTicket or '')
  if answer then return answer end
  fullVerb = fullVerb or contended('full')
  return fullVerb('acquire')(count, lockKey, claimsKey, specsKey, owner, text, stay, namedTicket or '')
end

local function release(lockKey, claimsKey, specsKey, owner, fence, channel, notAfter, keep, more)
  local late = isLate(notAfter)
  if late == nil or more then return redis.error_reply('REDISYNC_ARGUMENT owner, fence, channel, not-after, keep') end
  if late then return -1 end
  local value = call('GET', lockKey)
  local beginsWithOwner = value and string.find(value, owner, 1, true) == 1
  local itsFence = beginsWithOwner and string.match(value, '^ ([1-9]%d*) [1-9]%d*$', #owner + 1) -- see holder
  local isHolder = itsFence and (fence == '0' or itsFence == fence)
  local isQuorumNode = string.byte(channel) == 33 -- "!": see release
  if (isHolder or not value) and (keep or '') == '' and not isQuorumNode and owner ~= '' then
    local count = call('ZCARD', claimsKey)
    if isHolder and count == 0 then
      call('DEL', lockKey)
      return 1
    end
    -- With a fence only that lease is meant. Without one, the place that its owner may have in the queue is released, too.
    local answer
    if fence ~= '0' and isHolder then
      pass = pass or contended('pass')
      answer = pass(lockKey, claimsKey, specsKey, channel)
    elseif fence ~= '0' and count > 0 then
      passOn = passOn or contended('passon')
      answer = passOn(count, lockKey, claimsKey, specsKey, owner, fence, channel)
    end
    if answer then return answer end
  end
  fullVerb = fullVerb or contended('full')
  return fullVerb('release')(value, lockKey, claimsKey, specsKey, owner, fence, channel, keep)
end

local function verbOf(name)
  if name == 'acquire' then return acquire end
  if name == 'release' then return release end
  if name ~= 'share' and name ~= 'raise' then return nil end
  fullVerb = fullVerb or contended('full')
  return fullVerb(name)
end
