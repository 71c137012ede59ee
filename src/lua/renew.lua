-- Renews exclusive leases. Each needs one key only, so it is served while its slot moves to another node; what a
-- verb is given behind that are the keys of other names.
-- KEYS   the lock of each name
-- ARGV   of each name renew, owner, fence or "0" for none, ttl in ms, not-after in ms of server time
-- Reply  { server time in ms, answer … }: 1 renewed · 0 the lease is not there any more · -1 the call came after its not-after
--include batch: batch
--include bounds: HIGHEST, LARGEST, whole
--include call: call
--include holder: extend, isLease, parseHolder
--include late: isLate

local function renew(lockKey, _, _, owner, fence, ttl, notAfter, more)
  local late = isLate(notAfter)
  if owner == '' or late == nil or more then return redis.error_reply('REDISYNC_ARGUMENT owner, fence, ttl, not-after') end
  if late then return -1 end
  local value = call('GET', lockKey)
  if value == owner .. ' ' .. fence .. ' ' .. ttl then -- the usual case, without parsing; nothing fails after its one write
    call('PEXPIRE', lockKey, ttl)
    return 1
  end
  local ms, holder = whole(ttl, 1, LARGEST), parseHolder(value)
  if not ms or not whole(fence, 0, HIGHEST) then return redis.error_reply('REDISYNC_ARGUMENT fence, ttl') end
  if not isLease(holder, owner, fence) then return 0 end
  extend(lockKey, holder, ms)
  return 1
end

return batch(function(verb) return verb == 'renew' and renew end, 0, 1)
