-- Reads specs for the short ways, as several values instead of a table, because a table and numbers take time: see contended.
--include call: now
--include spec: SPEC

-- Returns the parts of a spec as texts, but permits and limit as numbers if it is a shared one. Returns nil if the text is no
-- spec, is that of a lease that is held over, or has numbers of more than nine digits.
local function partsOf(text)
  local xTtl, xWaiterTtl, xChannel, xLast = string.match(text or '', '^x 1 0 ([1-9]%d*) ([1-9]%d*) ([psc%-]%S*)( ?%d*)$')
  if xTtl then
    if #xTtl > 9 or #xWaiterTtl > 9 then return nil end
    return 'x', 1, 0, xTtl, xWaiterTtl, xChannel, xLast
  end
  local mode, permits, limit, ttl, waiterTtl, channel, last, over = string.match(text or '', SPEC)
  if not mode or mode == 'x' or over ~= '' or #permits > 9 or #limit > 9 or #ttl > 9 or #waiterTtl > 9 then return nil end
  permits, limit = tonumber(permits), tonumber(limit)
  if limit > 0 and permits > limit then return nil end
  return mode, permits, limit, ttl, waiterTtl, channel, last
end

-- The same of a waiter that is alive, but with the lesser of ttl and waiterTtl, for which it is granted, instead of waiterTtl.
-- nil for any other, and if its deadline shows that the server's clock has stepped back.
local function aliveWaiter(text)
  local mode, permits, limit, ttl, waiterTtl, channel, deadline = partsOf(text)
  local left = mode and deadline ~= '' and deadline - now or 0
  if left <= 0 or left - waiterTtl > 0 then return nil end
  local isLess = #ttl < #waiterTtl or #ttl == #waiterTtl and ttl < waiterTtl
  return mode, permits, limit, ttl, isLess and ttl or waiterTtl, channel, deadline
end
