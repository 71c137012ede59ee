-- How long until a holder lapses. One that has more left than its own ttl shows a clock that stepped back: then each gets
-- what it would have, had it been renewed now.
--include claims
--include holder

function Name.bringNear(name)
  local scores = name.scores
  for _, owner in ipairs(redis.call('ZRANGE', name.claims, name.lapsed, name.others - 1)) do
    local spec = name.parseSpec(redis.call('HGET', name.specs, owner))
    local lapses = tonumber(redis.call('ZSCORE', name.claims, owner))
    scores[#scores + 1], scores[#scores + 2] = spec and math.min(name.now + spec.ttl, lapses) or lapses, owner
  end
end

function Name.exclusiveLeft(name)
  local left = redis.call('PTTL', name.lock)
  if left == -1 then error(redis.error_reply('REDISYNC_CORRUPTED the key has no expiry, so it is no lock')) end
  if name.holder.plain or left <= name.holder.ttl then return left end
  name:extend(name.holder.ttl)
  return name.holder.ttl
end

function Name.sharedLeft(name)
  if name.lapsed == name.others then return LONGEST end
  local owner, lapses = unpack(redis.call('ZRANGE', name.claims, name.lapsed, name.lapsed, 'WITHSCORES'))
  local spec, left = name.parseSpec(redis.call('HGET', name.specs, owner)), lapses - name.now
  if not spec or left <= spec.ttl then return left end
  name:bringNear()
  return spec.ttl
end

-- ms for those who held before this call, and those whom it has let in.
function Name.untilLapse(name)
  if name.left then return name.left end
  return math.min(name.holder and name:exclusiveLeft() or name:sharedLeft(), name.soonest or LONGEST)
end
