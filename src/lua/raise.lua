-- Raises a node of a quorum: the lease gets the fence that another node may have drawn, and the clock becomes at least that.
-- The lease is recognised by the fence that it has here, so a late call finds another lease and leaves it alone.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   raise, owner, fence that the lease has here or "0" for any, fence
-- Reply  1
--include bounds: HIGHEST, LOWEST_TICKET, whole
--include call: call
--include claims: claimOf, isShared, loadState
--include clock: drawn, drawnText, highest
--include commit: commit
--include holder: isLease, parseHolder

return function(lockKey, claimsKey, specsKey, owner, fenceHere, fence, more)
  local number = whole(fence, 1, HIGHEST)
  if owner == '' or not whole(fenceHere, 0, HIGHEST) or not number or (more or '') ~= '' then
    return redis.error_reply('REDISYNC_ARGUMENT owner, fence here, fence')
  end
  highest() -- is there a clock that can be raised?
  local count, holder = call('ZCARD', claimsKey), parseHolder(call('GET', lockKey))
  local state = loadState(lockKey, claimsKey, specsKey, count, holder)
  local claim = claimOf(state, owner)
  if isLease(holder, owner, fenceHere) and not holder.plain then
    local left = call('PTTL', lockKey)
    if left == -1 then error(redis.error_reply('REDISYNC_CORRUPTED the key has no expiry, so it is no lock')) end
    state.lockValue = owner .. ' ' .. string.format('%d', number) .. ' ' .. holder.ttl
    state.lockMs = math.max(1, math.min(left, holder.ttl))
  elseif isShared(claim, fenceHere) then
    state.fields = { owner, claim.asked .. ' ' .. string.format('%d', math.max(number, LOWEST_TICKET)) } -- see fence
  end
  if number > highest() then drawn, drawnText = number, string.format('%d', number) end
  commit(state)
  return 1
end
