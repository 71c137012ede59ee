-- Releases what an owner has, as a holder or as a waiter. The next waiters are holders before the reply is sent.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   release, owner or "" to break every lease on the name, fence of the lease or "0" for whatever the owner has,
--        own channel, not-after in ms of server time, and, if it is held over, for how many ms
--        on a node of a quorum, which keeps no queue, the channel is "!" and one on which to publish the release
-- Reply  1 a lease was released, and nobody waited · { 1 if one was, how many were granted, owner, fence … }
--        { 1, 0, owner, "" } the lease is held over, and the waiter at the head should ask again, if it is told by the reply
--        -1 the call came after its not-after
--include bounds: BELOW_TICKETS, HIGHEST, LARGEST, whole
--include call: call
--include claims: claimOf, isShared, loadState
--include commit: commit
--include fence: fenceOf
--include holder: isLease, parseHolder
--include listen: publish, tellingOf
--include parse: parseSpec
--include plan: leave, prolong
--include settle: settle, withGrants
--include tell: tell
--include write: write

-- Tells the waiter at the head to ask again: it only knows when the lease would have lapsed.
local function tellHead(state, channel)
  local head = call('ZRANGE', state.claimsKey, state.nonWaiters .. '', state.nonWaiters .. '')[1]
  local spec = head and parseSpec(call('HGET', state.specsKey, head))
  local telling = spec and tellingOf(spec.channel, channel)
  if telling then tell(state, head, spec.channel, '', telling) end
end

-- Holds the lease over: it belongs to nobody any more, and the lock is not free before it lapses.
local function holdOver(state, owner, fence, claim, ms)
  if claim then
    prolong(state, owner, claim, ms, ' over')
    return commit(state, true)
  end
  local value = owner .. ' ' .. fenceOf(state.holder, fence) .. ' ' .. ms .. ' over'
  write('PEXPIRE', state.lockKey, ms) -- which a full memory does not refuse
  write('SET', state.lockKey, value, 'PX', ms)
end

local function breakAll(state)
  local broken = (state.holder or state.sharers > 0) and 1 or 0
  local claims = state.count > 0 and call('ZRANGEBYSCORE', state.claimsKey, '-inf', BELOW_TICKETS) or {}
  for _, owner in ipairs(claims) do state.toRemove[owner] = true end
  state.dropLock, state.holder, state.sharers, state.extraPermits = state.holder, nil, 0, 0
  return broken
end

return function(value, lockKey, claimsKey, specsKey, owner, fence, channel, keep)
  local ms = (keep or '') == '' and 0 or whole(keep, 0, LARGEST)
  if not ms or not whole(fence, 0, HIGHEST) then return redis.error_reply('REDISYNC_ARGUMENT fence, keep') end
  local state = loadState(lockKey, claimsKey, specsKey, call('ZCARD', claimsKey), parseHolder(value))
  local exclusive = isLease(state.holder, owner, fence)
  local claim = owner ~= '' and claimOf(state, owner)
  local shared = claim and isShared(claim, fence)
  local held = (exclusive or shared) and 1 or 0
  if owner == '' then
    held = breakAll(state)
  elseif held == 1 and ms > 0 then
    if state.count > state.nonWaiters then tellHead(state, channel) end
    holdOver(state, owner, fence, shared and claim, ms)
    return withGrants(state, { 1, 0 })
  elseif shared then
    leave(state, owner, claim)
  elseif state.hasEntry and fence == '0' and not (claim and claim.heldOver) then
    state.toRemove[owner] = true
  elseif not exclusive and fence ~= '0' then
    return { 0, 0 } -- the release is about an earlier lease of this owner: nothing is touched
  end
  if exclusive then state.dropLock, state.holder = true, nil end
  settle(state, channel)
  local public = held == 1 and string.match(channel, '^!(.*)')
  local listeners = public and redis.pcall('PUBSUB', 'NUMSUB', public)[2] or 0
  if listeners > 0 then publish('PUBLISH', channel, listeners .. '') end -- with how many listen, so that not all ask at once
  commit(state, true)
  return withGrants(state, { held, state.grants })
end
