-- Reads specs for the short ways, as several values instead of a table, because a table takes time. For the format see claims.
--include bounds
--include call

-- Returns the parts of a spec: permits and limit as numbers, the others as texts. Returns nil if the text is no spec, is that
-- of a lease that is held over, or has numbers of more than nine digits.
local function partsOf(text)
  local asked, mode, permits, limit, ttl, waiterTtl, channel, number, over = string.match(text or '', SPEC)
  if not mode or over ~= '' or #permits > 9 or #limit > 9 or #ttl > 9 or #waiterTtl > 9 then return nil end
  permits, limit = tonumber(permits), tonumber(limit)
  if limit > 0 and permits > limit then return nil end
  return mode, permits, limit, ttl, waiterTtl, channel, number, asked
end

-- Returns the parts of the spec of a waiter that is alive; nil for any other owner.
local function aliveWaiter(specsKey, owner)
  local mode, permits, limit, ttl, waiterTtl, channel, deadline, asked = partsOf(redis.call('HGET', specsKey, owner))
  local left = mode and deadline ~= '' and deadline - now or 0
  if left <= 0 or left > tonumber(waiterTtl) then return nil end
  return mode, permits, limit, ttl, waiterTtl, channel, asked
end

-- Whether a request has no room while that many permits are in use. Then nobody behind it is granted, either.
local function isHeldBack(mode, permits, limit, inUse)
  if mode == 'x' then return inUse > 0 end
  return limit > 0 and inUse + permits > limit
end
