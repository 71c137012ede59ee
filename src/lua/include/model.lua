-- What is known of a name beyond its holder: the last grant, and how many wait.
local token, lastTtl, lastOwner = 0, 0, false
local record = redis.call('GET', last)
if record then
  token, lastTtl, lastOwner = string.match(record, '^(%d+) (%d+) (.*)$')
  token, lastTtl = tonumber(token), tonumber(lastTtl)
  if not token then
    return redis.error_reply('REDISYNC_CORRUPTED the memory of the last fencing token is unreadable')
  end
end
local waiters = entries > 0 and redis.call('ZCARD', queue) or 0

local function parse(spec)
  local mode, permits, limit, ttl, waiterTtl, channel, grant =
    string.match(spec, '^(%a) (%d+) (%d+) (%d+) (%d+) (%S+) ?(%d*)$')
  return {
    mode = mode, permits = tonumber(permits), limit = tonumber(limit),
    ttl = tonumber(ttl), waiterTtl = tonumber(waiterTtl), channel = channel, token = grant,
  }
end
