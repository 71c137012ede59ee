-- Renews a shared lease, or turns an exclusive lease into a shared one. An owner without a lease gets none.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   share, owner, fence or "0" for none, spec of the shared lease, not-after in ms of server time
-- Reply  1 renewed · { 1, { owner, fence … of others that this call granted } } · 0 the lease is not there · -1 too late
--include claims
--include commit
--include fence
--include holder
--include late
--include plan
--include settle

return function(lockKey, claimsKey, specsKey, owner, fence, text, notAfter, more)
  local late, spec = isLate(notAfter), parseSpec(text)
  if owner == '' or late == nil or not whole(fence, 0, HIGHEST) or (more or '') ~= ''
    or not spec or spec.asked ~= text or spec.mode ~= 's' then
    return redis.error_reply('REDISYNC_ARGUMENT owner, fence, spec of a shared lease, not-after')
  end
  if late then return -1 end
  local count, holder = redis.call('ZCARD', claimsKey), parseHolder(redis.call('GET', lockKey))
  local name = loadName(lockKey, claimsKey, specsKey, count, holder)
  local claim = claimOf(name, owner)
  if isLease(holder, owner, fence) then
    admit(name, owner, spec, fenceOf(holder, fence), spec.ttl)
    name.dropLock, name.holder = true, nil
    settle(name, spec.channel)
  elseif claim and claim.shares and not claim.over and (fence == '0' or digits(claim.deadlineOrFence) == fence) then
    prolong(name, owner, claim, spec.ttl, '')
  else
    return 0
  end
  commit(name, true)
  return #name.inReply > 0 and { 1, name.inReply } or 1
end
