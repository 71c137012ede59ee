-- Who waits, and how a spec is read: one that is none has no mode, no permits and no times.
local waiters = redis.call('ZCARD', queue)

local function parse(spec)
  local mode, permits, limit, ttl, waiterTtl, channel, grant =
    string.match(spec or '', '^([xs]) (%d+) (%d+) ([1-9]%d*) ([1-9]%d*) (%S+) ?(%d*)$')
  if not mode or #permits + #limit + #ttl + #waiterTtl > 40 then return {} end
  return {
    mode = mode, permits = tonumber(permits), limit = tonumber(limit),
    ttl = tonumber(ttl), waiterTtl = tonumber(waiterTtl), channel = channel, token = grant,
  }
end
