-- Gives up what an owner has, as a holder or as a waiter: whoever is next is a holder before the reply is sent.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   release, owner or "" to break every lease on the name, fence of the lease or "0" for whatever the owner has,
--        own channel, not-after in ms of server time, ms for which the lease is held over
--        where no queue is kept the channel is "!" and one on which to tell that a lease was given up
-- Reply  1 a lease was given up, and nobody waited · { 1 if one was, how many were granted, { owner, fence … } }
--        -1 came too late
--include commit
--include queue

-- The lease is nobody's any more, and the name is not free before it lapses.
local function holdOver(name, owner, fence, own, ms)
  if own then
    name:goOn(owner, own, ms, ' over')
    return name:commit(true)
  end
  name:write('PEXPIRE', name.lock, ms) -- which a full memory does not refuse
  name:write('SET', name.lock, valueOf(owner, name.holder.fence or fence, ms) .. ' over', 'PX', ms)
end

local function breakAll(name)
  local broken = (name.holder or name.sharers > 0) and 1 or 0
  local sharers = name.others > 0 and redis.call('ZRANGE', name.claims, 0, name.others - 1) or {}
  for _, owner in ipairs(sharers) do name.gone[owner] = true end
  name.free, name.holder, name.sharers, name.beyond = name.holder, nil, 0, 0
  return broken
end

local function release(lockKey, claimsKey, specsKey, owner, fence, channel, notAfter, keep, more)
  local latest = whole(notAfter, 0, HIGHEST)
  if not latest or more then return redis.error_reply('REDISYNC_ARGUMENT owner, fence, channel, not-after, keep') end
  if call.now > latest then return -1 end
  local value, count = redis.call('GET', lockKey), redis.call('ZCARD', claimsKey)
  local public = string.match(channel, '^!(.*)')
  if count == 0 and keep == '0' and not public and tells(value, owner, fence) then -- nobody is next: as below, sooner
    redis.call('DEL', lockKey)
    return 1
  end
  local ms = whole(keep, 0, LONGEST)
  if not ms or not whole(fence, 0, HIGHEST) then return redis.error_reply('REDISYNC_ARGUMENT fence, keep') end
  local name = Name.load(lockKey, claimsKey, specsKey, count, value)
  local own = owner ~= '' and name:claimOf(owner)
  local exclusive = name:isHeld(owner, fence)
  local shared = own and own.shares and not own.over and (fence == '0' or string.format('%d', own.last) == fence)
  local held = (exclusive or shared) and 1 or 0
  if owner == '' then
    held = breakAll(name)
  elseif held == 1 and ms > 0 then
    holdOver(name, owner, fence, shared and own, ms)
    return { 1, 0, {} }
  elseif shared then
    name:leave(owner, own)
  elseif name.claimed and (exclusive or fence == '0') and not (own and own.over) then
    name.gone[owner] = true
  elseif not exclusive and fence ~= '0' then
    return { 0, 0, {} } -- an earlier lease of its owner: nothing is touched
  end
  if exclusive then name.free, name.holder = true, nil end
  name:settle(channel)
  local listeners = held == 1 and public and redis.pcall('PUBSUB', 'NUMSUB', public)[2] or 0
  if listeners > 0 then name:tell('p' .. public, listeners .. '') end -- how many they are: else all would ask at once
  name:commit(true)
  return { held, name.grants, name.own }
end
