-- Lets the clock be at least at a fence that another server has drawn: see lease, which keeps it.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   raise, fence
-- Reply  1
--include clock

local function raise(_, _, _, fence, more)
  local number = whole(fence, 0, HIGHEST)
  if not number or (more or '') ~= '' then return redis.error_reply('REDISYNC_ARGUMENT fence') end
  clock.drawn = math.max(clock:highest(), number)
  return 1
end
