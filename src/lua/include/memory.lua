-- The memory of the last token, which outlives the leases.
local MEMORY = 3600000 -- ms for which the last token is remembered, beyond its lead on the clock

-- Keeps the token for those to come, and returns it as text.
local function remember(ttl, owner)
  local fence = string.format('%.0f', token)
  lastTtl, lastOwner = ttl, owner
  local lead = math.max(0, math.ceil(token / 1000) - now)
  redis.call('SET', last, fence .. ' ' .. ttl .. ' ' .. owner, 'PX', math.max(MEMORY, ttl) + lead)
  return fence
end
