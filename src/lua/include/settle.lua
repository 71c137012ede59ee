-- Drops who has lapsed, then grants from the head of the queue for as long as the head fits.
local grants = 0
local own = {} -- grants to waiters of the asking coordinator itself: owner, token, owner, token …

-- Without a shared lease nothing is in use, whatever was counted: so it ends, should a spec have been unreadable.
local function use(permits)
  used = entries > waiters and math.max(used + permits, 0) or 0
  if entries > waiters then redis.call('HSET', specs, '', used) else redis.call('HDEL', specs, '') end
end

local function drop(owner)
  local waited = redis.call('ZREM', queue, owner)
  waiters = waiters - waited
  entries = entries - redis.call('ZREM', due, owner)
  if waited == 0 then use(-(parse(redis.call('HGET', specs, owner)).permits or 0)) end
  redis.call('HDEL', specs, owner)
end

local function lapse()
  for _, owner in ipairs(lapsed) do drop(owner) end
end

-- Exclusive: alone. Shared: beside other shared holders while the permits in use stay within the limit.
local function fits(spec)
  if holder or token >= HIGHEST then return false end
  if spec.mode == 'x' then return entries == waiters end
  return spec.limit == 0 or used + spec.permits <= spec.limit
end

local function share(owner, permits, text, ttl)
  entries = entries + redis.call('ZADD', due, now + ttl, owner)
  redis.call('HSET', specs, owner, text)
  use(permits)
  keep(ttl)
end

local function grant(owner, spec, text, ttl)
  token = math.max(token + 1, micros)
  local fence = remember(ttl, owner)
  if spec.mode == 'x' then
    holder = owner
    redis.call('SET', lock, owner, 'PX', ttl)
  else
    share(owner, spec.permits, text .. ' ' .. fence, ttl)
  end
  grants = grants + 1
  return fence
end

-- Tells the head's coordinator, on a channel whose first letter says how: p PUBLISH, s SPUBLISH, c PUBLISH in a Cluster,
-- which does not count who listens elsewhere. False when nobody does: it keeps its place, and is passed over. So who
-- listens to a replica, as after a failover, must not hear of it either.
local function reach(owner, channel, asking)
  local fence = string.format('%.0f', math.max(token + 1, micros))
  if channel == asking then
    own[#own + 1] = owner
    own[#own + 1] = fence
    return true
  end
  local how, name = string.match(channel, '^(.)(.*)$')
  if how == '-' then return true end
  local replicate = redis.set_repl or function() end -- what only resembles Redis may not have it
  replicate(redis.REPL_NONE)
  local told = redis.pcall(how == 's' and 'SPUBLISH' or 'PUBLISH', name, cjson.encode({ lock, owner, fence }))
  replicate(redis.REPL_ALL)
  return how == 'c' or (type(told) == 'number' and told > 0) -- refused, as by an ACL, is not heard
end

-- self is the owner that asks, if one does: it reads its grant from the reply, with its full ttl. Returns its token.
local function settle(asking, self)
  local passed, mine = 0, false
  while waiters > passed and not holder do
    local owner = redis.call('ZRANGE', queue, passed, passed)[1]
    local text = owner and redis.call('HGET', specs, owner)
    local spec = parse(text)
    local waits = spec.token == ''
    if not owner or waits and not fits(spec) then break end
    redis.call('HDEL', specs, owner) -- the first write, which decides whether a full memory refuses the rest
    if not waits then
      drop(owner) -- garbage, which waits for nothing: who is behind it asks again, and is back
    elseif owner == self or reach(owner, spec.channel, asking) then
      waiters = waiters - redis.call('ZREM', queue, owner)
      entries = entries - redis.call('ZREM', due, owner)
      local fence = grant(owner, spec, text, owner == self and spec.ttl or math.min(spec.ttl, spec.waiterTtl))
      if owner == self then mine = fence end
    else
      redis.call('HSET', specs, owner, text)
      keep(0, true) -- the only spec was, and made the key anew
      passed = passed + 1
    end
  end
  return mine
end
