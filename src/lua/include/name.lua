-- A name that is locked: its keys, what there is at them, and what is planned. What follows are its methods.
--include call
local Name = { call = call, now = call.now }
Name.__index = Name

-- Writes, so that an error behind it is known to be one of unknown outcome.
function Name.write(name, ...)
  local reply = redis.call(...)
  name.call.dirty = true
  return reply
end
