-- Which fence a lease has that is written anew.
--include clock

-- The fence of a lease, as text. A plain client's value has none: then the one that its owner tells, or else a new one.
local function fenceOf(holder, fenceTold)
  local number = tonumber(holder.fence or fenceTold)
  return digits(number > 0 and number or draw())
end
