-- Writes, and remembers that: see hasWritten.
--include call: call, hasWritten
local function write(...)
  local reply = call(...)
  hasWritten = true
  return reply
end
