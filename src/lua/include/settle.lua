-- Drops who has lapsed, then grants from the head of the queue for as long as the head fits.
local used = entries > 0 and tonumber(redis.call('HGET', specs, '') or 0) or 0
local grants = 0
local own = {} -- grants to waiters of the asking coordinator itself: owner, token, owner, token …

local function drop(owner)
  if redis.call('ZREM', queue, owner) == 1 then
    waiters = waiters - 1
  else
    local permits = parse(redis.call('HGET', specs, owner)).permits
    used = used - permits
    redis.call('HINCRBY', specs, '', -permits)
  end
  redis.call('ZREM', due, owner)
  redis.call('HDEL', specs, owner)
  entries = entries - 1
end

-- An expiry further away than its own ttl shows a clock that stepped back: it is brought near.
local function lapse()
  for _, owner in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', now)) do drop(owner) end
  if holder and holder == lastOwner and redis.call('PTTL', lock) > lastTtl then
    redis.call('PEXPIRE', lock, lastTtl)
  end
  local top = redis.call('ZREVRANGE', due, 0, 0, 'WITHSCORES')
  if not top[1] then return end
  local spec = parse(redis.call('HGET', specs, top[1]))
  if tonumber(top[2]) <= now + math.max(spec.ttl, spec.waiterTtl) then return end
  for _, owner in ipairs(redis.call('ZRANGE', due, 0, -1)) do
    spec = parse(redis.call('HGET', specs, owner))
    local most = now + (spec.token == '' and spec.waiterTtl or spec.ttl)
    if tonumber(redis.call('ZSCORE', due, owner)) > most then redis.call('ZADD', due, most, owner) end
  end
end

-- The side keys live a little longer than their longest entry.
local function keep()
  local top = redis.call('ZREVRANGE', due, 0, 0, 'WITHSCORES')
  if not top[1] then
    redis.call('DEL', specs)
    return
  end
  for _, key in ipairs({ due, queue, specs }) do redis.call('PEXPIREAT', key, top[2] + 1000) end
end

-- Exclusive: alone. Shared: beside other shared holders while the permits in use stay within the limit.
local function fits(spec)
  if holder or token >= HIGHEST then return false end
  if spec.mode == 'x' then return entries == waiters end
  return spec.limit == 0 or used + spec.permits <= spec.limit
end

local function grant(owner, spec, text, ttl)
  token = math.max(token + 1, micros)
  local fence = remember(ttl, owner)
  if spec.mode == 'x' then
    holder = owner
    redis.call('SET', lock, owner, 'PX', ttl)
  else
    used, entries = used + spec.permits, entries + 1
    redis.call('ZADD', due, now + ttl, owner)
    redis.call('HSET', specs, owner, text .. ' ' .. fence, '', used)
  end
  grants = grants + 1
  return fence
end

-- Tells the head's coordinator, on a channel whose first letter says how: p PUBLISH, s SPUBLISH, c PUBLISH in a Cluster,
-- which does not count who listens elsewhere. False when nobody does: it keeps its place, and is passed over.
local function reach(owner, channel, asking)
  local fence = string.format('%.0f', math.max(token + 1, micros))
  if channel == asking then
    own[#own + 1] = owner
    own[#own + 1] = fence
    return true
  end
  local how, name = string.match(channel, '^(.)(.*)$')
  if how == '-' then return true end
  local told = redis.pcall(how == 's' and 'SPUBLISH' or 'PUBLISH', name, cjson.encode({ lock, owner, fence }))
  return how == 'c' or (type(told) == 'number' and told > 0) -- refused, as by an ACL, is not heard
end

-- self is the owner that asks, if one does: it reads its grant from the reply, with its full ttl. Returns its token.
local function settle(asking, self)
  local passed, mine = 0, false
  while waiters > passed do
    local owner, arrival = unpack(redis.call('ZRANGE', queue, passed, passed, 'WITHSCORES'))
    local text = redis.call('HGET', specs, owner)
    local spec = parse(text)
    if not fits(spec) then break end
    redis.call('ZREM', queue, owner) -- the first write, which decides whether a full memory refuses the rest
    if owner == self or reach(owner, spec.channel, asking) then
      redis.call('ZREM', due, owner)
      redis.call('HDEL', specs, owner)
      waiters, entries = waiters - 1, entries - 1
      local fence = grant(owner, spec, text, owner == self and spec.ttl or math.min(spec.ttl, spec.waiterTtl))
      if owner == self then mine = fence end
    else
      redis.call('ZADD', queue, arrival, owner)
      passed = passed + 1
    end
  end
  return mine
end
