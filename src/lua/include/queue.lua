-- Who waits, who shares, who has lapsed, and how a spec is read: one that is none has no mode, no permits, no times and no token.
local entries = redis.call('ZCARD', due)
local waiters = redis.call('ZCARD', queue)
local counted = redis.call('HGET', specs, '')
local used = whole(counted or 0, 0, HIGHEST)
local lapsed = entries > 0 and redis.call('ZRANGEBYSCORE', due, '-inf', now) or {}
if entries < waiters or (entries > waiters) ~= (counted ~= false) or not used then
  unreadable = unreadable or 'who waits and who shares cannot be told apart'
end

local function parse(spec)
  local mode, permits, limit, ttl, waiterTtl, channel, grant =
    string.match(spec or '', '^([xs]) ([1-9]%d*) (%d+) ([1-9]%d*) ([1-9]%d*) ([psc%-]%S*)( ?%d*)$')
  if not mode or grant == ' ' or (tonumber(grant) or 0) > HIGHEST then return {} end
  permits, limit, ttl, waiterTtl = tonumber(permits), tonumber(limit), tonumber(ttl), tonumber(waiterTtl)
  if math.max(permits, limit, ttl, waiterTtl) > LONGEST or limit > 0 and permits > limit then return {} end
  return {
    mode = mode, permits = permits, limit = limit,
    ttl = ttl, waiterTtl = waiterTtl, channel = channel, token = string.sub(grant, 2),
  }
end
