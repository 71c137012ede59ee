-- Who waits, and how a spec is read.
local waiters = entries > 0 and redis.call('ZCARD', queue) or 0

local function parse(spec)
  local mode, permits, limit, ttl, waiterTtl, channel, grant =
    string.match(spec, '^(%a) (%d+) (%d+) (%d+) (%d+) (%S+) ?(%d*)$')
  return {
    mode = mode, permits = tonumber(permits), limit = tonumber(limit),
    ttl = tonumber(ttl), waiterTtl = tonumber(waiterTtl), channel = channel, token = grant,
  }
end
