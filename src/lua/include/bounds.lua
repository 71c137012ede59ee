-- The bounds of numbers. Constants are written into the embedded scripts as literals: see embed.
local HIGHEST = 9007199254740991 -- 2^53 - 1, the largest safe integer
local SENDABLE = 9007199254740990 -- the highest integer in a reply, so the highest ticket: parsers of some clients round HIGHEST
local LONGEST = 2147483647 -- 2^31 - 1: the most ms, permits and limit
local FIRST = 100000000000000 -- the lowest ticket and fence: µs are above it since 1973, ms below it until 5138
local BELOW = '(100000000000000' -- scores below FIRST, as the bound of a ZSET's range
-- The pattern of a spec: what was requested, a number, and " over". The format is described in claims.
local SPEC = '^(([xs]) ([1-9]%d*) (%d+) ([1-9]%d*) ([1-9]%d*) ([psc%-]%S*))( ?%d*)( ?%l*)$'

-- The whole number in a text, if it is within the bounds; otherwise nil.
local function whole(text, least, most)
  local number = tonumber(text)
  return number and number >= least and number <= most and number % 1 == 0 and number or nil
end

-- A whole number as text. Lua's own conversion would round it.
local function digits(number)
  return string.format('%d', number)
end
