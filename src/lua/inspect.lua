-- Returns who holds and who waits, in the order of the queue. Writes nothing.
-- KEYS   of each name lock, claims, specs
-- ARGV   of each name inspect, the most claims to return beside an exclusive holder, from the front; 0 for all
-- Reply  { server time in ms, answer … }, an answer being { { owner, mode, permits, limit, ms left, fence or "", 1 if held
--        over … }, { owner, mode, permits, limit, ms waited … } }; limit 0 for none, -1 ms left where a key has no expiry, and
--        so is no lock
--include batch: batch
--include bounds: LARGEST, LOWEST_TICKET, SENDABLE, whole
--include call: call, now
--include holder: parseHolder
--include parse: parseSpec

local function add(list, ...)
  for _, value in ipairs({ ... }) do list[#list + 1] = value end
end

local function inspect(lockKey, claimsKey, specsKey, most, more)
  local count = whole(most, 0, LARGEST)
  if more or not count then return redis.error_reply('REDISYNC_ARGUMENT how many claims') end
  local holders, waiting, specs = {}, {}, {}
  local held = parseHolder(call('GET', lockKey))
  if held then
    local left = math.min(call('PTTL', lockKey), SENDABLE)
    add(holders, held.owner, 'x', 1, 0, left, held.fence or '', held.heldOver and 1 or 0)
  end
  local limit = count > 0 and count or -1
  local members = call('ZRANGEBYSCORE', claimsKey, '(' .. now, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
  local stored = count == 0 and call('HGETALL', specsKey) or {}
  for i = 1, #stored, 2 do specs[stored[i]] = stored[i + 1] end
  for i = 1, #members, 2 do
    local owner, score = members[i], tonumber(members[i + 1])
    local spec = parseSpec(specs[owner] or count > 0 and call('HGET', specsKey, owner))
    if score < LOWEST_TICKET then
      if not spec or not spec.fence then
        return redis.error_reply('REDISYNC_CORRUPTED the spec of a shared lease is unreadable')
      end
      add(holders, owner, 's', spec.permits, spec.limit, score - now, spec.fence, spec.heldOver and 1 or 0)
    elseif score >= LOWEST_TICKET and spec and spec.deadline > now then
      add(waiting, owner, spec.mode, spec.permits, spec.limit, math.max(0, now - math.floor(score / 1000)))
    end
  end
  return { holders, waiting }
end

return batch(function(verb) return verb == 'inspect' and inspect end, 0, 3)
