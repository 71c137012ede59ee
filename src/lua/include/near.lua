-- An expiry further away than its own ttl shows a clock that stepped back: it is brought near. Who is new and has to wait
-- leaves that to who asks next.
if holder and holder == lastOwner and left > lastTtl then
  redis.call('PEXPIRE', lock, lastTtl)
  left = lastTtl
end
local farthest = now + math.max(spec.ttl, spec.waiterTtl)
if entries > 0 and (place or not busy) and redis.call('ZCOUNT', due, farthest + 1, '+inf') > 0 then
  for _, each in ipairs(redis.call('ZRANGE', due, 0, -1)) do
    local entry = parse(redis.call('HGET', specs, each))
    local most = now + (entry.token == '' and entry.waiterTtl or entry.ttl or LONGEST)
    if tonumber(redis.call('ZSCORE', due, each)) > most then redis.call('ZADD', due, most, each) end
  end
end
