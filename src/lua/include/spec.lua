-- What a request reads like: "mode permits limit ttl waiterTtl channel", and what is stored behind it: see claims.
--include bounds
--include call

-- The parts of a request for the short ways (see contended); nil for what is none, or has numbers too large to be usual.
local function partsOf(text)
  local asked, mode, permits, limit, ttl, waiterTtl, channel, number, over = string.match(text or '', SPEC)
  if not mode or over ~= '' or #permits > 9 or #limit > 9 or #ttl > 9 or #waiterTtl > 9 then return nil end
  permits, limit = tonumber(permits), tonumber(limit)
  if limit > 0 and permits > limit then return nil end
  return mode, permits, limit, ttl, waiterTtl, channel, number, asked
end

-- The parts of the request of a waiter that is alive; nil for any other owner.
local function aliveWaiter(specsKey, owner)
  local mode, permits, limit, ttl, waiterTtl, channel, deadline, asked = partsOf(redis.call('HGET', specsKey, owner))
  local left = mode and deadline ~= '' and deadline - now or 0
  if left <= 0 or left > tonumber(waiterTtl) then return nil end
  return mode, permits, limit, ttl, waiterTtl, channel, asked
end

-- Whether a request has to wait beside so many permits in use. Then nobody behind it is granted, either.
local function isHeldBack(mode, permits, limit, inUse)
  if mode == 'x' then return inUse > 0 end
  return limit > 0 and inUse + permits > limit
end
