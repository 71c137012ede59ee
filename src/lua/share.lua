-- Renews a shared lease, or turns an exclusive lease into a shared one. An owner without a lease gets none.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   share, owner, fence or "0" for none, spec of the shared lease, not-after in ms of server time
-- Reply  1 renewed · { 1, owner, fence … of others that this call granted } · 0 the lease is not there · -1 too late
--include bounds: HIGHEST, whole
--include call: call
--include claims: claimOf, isShared, loadState
--include commit: commit
--include fence: fenceOf
--include holder: isLease, parseHolder
--include late: isLate
--include parse: parseSpec
--include plan: admit, leave, prolong
--include settle: settle, withGrants

return function(lockKey, claimsKey, specsKey, owner, fence, text, notAfter, more)
  local late, spec = isLate(notAfter), parseSpec(text)
  if owner == '' or late == nil or not whole(fence, 0, HIGHEST) or (more or '') ~= ''
    or not spec or spec.asked ~= text or spec.mode ~= 's' then
    return redis.error_reply('REDISYNC_ARGUMENT owner, fence, spec of a shared lease, not-after')
  end
  if late then return -1 end
  local count, holder = call('ZCARD', claimsKey), parseHolder(call('GET', lockKey))
  local state = loadState(lockKey, claimsKey, specsKey, count, holder)
  local claim = claimOf(state, owner)
  if isLease(holder, owner, fence) then
    if claim and claim.isHolder then leave(state, owner, claim) end -- an earlier call has admitted it, and failed half-way
    admit(state, owner, spec, fenceOf(holder, fence), spec.ttl)
    state.dropLock, state.holder = true, nil
    settle(state, spec.channel)
  elseif isShared(claim, fence) then
    prolong(state, owner, claim, spec.ttl, '')
  else
    return 0
  end
  commit(state, true)
  return #state.inReply > 0 and withGrants(state, { 1 }) or 1
end
