-- Writes, and remembers that: see dirty.
--include call: dirty
local function write(...)
  local reply = redis.call(...)
  dirty = true
  return reply
end
