-- An expiry further away than its own ttl shows a clock that stepped back: it is brought near.
if holder and holder == lastOwner and left > lastTtl then
  redis.call('PEXPIRE', lock, lastTtl)
  left = lastTtl
end
local top = redis.call('ZREVRANGE', due, 0, 0, 'WITHSCORES')
local latest = top[1] and parse(redis.call('HGET', specs, top[1]))
if latest and tonumber(top[2]) > now + math.max(latest.ttl, latest.waiterTtl) then
  for _, each in ipairs(redis.call('ZRANGE', due, 0, -1)) do
    local entry = parse(redis.call('HGET', specs, each))
    local most = now + (entry.token == '' and entry.waiterTtl or entry.ttl)
    if tonumber(redis.call('ZSCORE', due, each)) > most then redis.call('ZADD', due, most, each) end
  end
end
