-- The fence of a lease whose value is written again.
--include bounds: LOWEST_TICKET
--include clock: draw

-- The fence of a lease, as text, LOWEST_TICKET at least: a lower number would be read as a waiter's deadline. A plain client's
-- value has none; then it is the one that the request names, or a new one.
local function fenceOf(holder, namedFence)
  local number = tonumber(holder.fence or namedFence)
  return string.format('%d', number >= LOWEST_TICKET and number or draw())
end
