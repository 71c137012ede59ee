-- Gives a lease of a quorum its fence, which another of its nodes may have drawn, and lets the clock be there at least. The
-- lease is known by the fence that it has here, so what comes late finds another and leaves that alone.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   raise, owner, fence that the lease has here or "0" for any, fence
-- Reply  1
--include clock
--include commit
--include holder

local function raise(lockKey, claimsKey, specsKey, owner, own, fence, more)
  local number = whole(fence, 1, HIGHEST)
  if owner == '' or not whole(own, 0, HIGHEST) or not number or (more or '') ~= '' then
    return redis.error_reply('REDISYNC_ARGUMENT owner, fence here, fence')
  end
  local highest = clock:highest()
  local value = redis.call('GET', lockKey)
  local name = Name.load(lockKey, claimsKey, specsKey, value and 0 or redis.call('ZCARD', claimsKey), value)
  local claim = name:claimOf(owner)
  if name:isHeld(owner, own) and not name.holder.plain then
    local left = redis.call('PTTL', lockKey)
    if left == -1 then error(redis.error_reply('REDISYNC_CORRUPTED the key has no expiry, so it is no lock')) end
    local ttl = name.holder.ttl
    name.value, name.left = valueOf(owner, string.format('%d', number), ttl), math.max(1, math.min(left, ttl))
  elseif claim and claim.shares and not claim.over and (own == '0' or string.format('%d', claim.last) == own) then
    name.fields = { owner, claim.asked .. ' ' .. string.format('%d', number) }
  end
  clock.drawn = math.max(highest, number)
  name:commit()
  return 1
end
