-- The bounds of numbers. Constants are written into the embedded scripts as literals: see embed. A number becomes a text by
-- string.format('%d', …), because Lua's own conversion rounds it to 14 digits.
local HIGHEST = 9007199254740991 -- 2^53 - 1, the largest safe integer
local SENDABLE = 9007199254740990 -- the highest integer in a reply, so the highest ticket: parsers of some clients round HIGHEST
local LARGEST = 2147483647 -- 2^31 - 1: the largest time in ms, number of permits, and limit
local LOWEST_TICKET = 100000000000000 -- and the lowest fence: both are µs, above it since 1973; ms are below it until 5138
local BELOW_TICKETS = '(100000000000000' -- the scores of shared holders, as the upper bound of a range

-- The whole number in a text, if it is within the bounds; otherwise nil.
local function whole(text, least, most)
  local number = tonumber(text)
  return number and number >= least and number <= most and number % 1 == 0 and number or nil
end
