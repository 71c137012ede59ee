-- Writes, and remembers that: see dirty.
--include call: call, dirty
local function write(...)
  local reply = call(...)
  dirty = true
  return reply
end
