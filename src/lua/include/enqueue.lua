-- Joins the queue, or stays in it: at the place that it has or was told, or behind all others, whatever the clock says.
local function enqueue()
  redis.call('HSET', specs, owner, text)
  local new = not place and not arrival
  arrival = whole(place, 0, HIGHEST - 1) or arrival or micros -- HIGHEST itself is one more to a parser that rounds
  if tonumber(place) ~= arrival then waiters = waiters + redis.call('ZADD', queue, arrival, owner) end
  entries = entries + redis.call('ZADD', due, now + spec.waiterTtl, owner)
  keep(spec.waiterTtl, waiters == 1)
  local rank = redis.call('ZRANK', queue, owner)
  if new and rank < waiters - 1 then
    arrival = math.min(redis.call('ZREVRANGE', queue, 0, 0, 'WITHSCORES')[2] + 1, HIGHEST - 1)
    redis.call('ZADD', queue, arrival, owner)
    rank = waiters - 1
  end
  return rank
end
