-- What is the same for all names of a call. The server's time is read once.
local time = redis.call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = math.floor(micros / 1000) -- ms
local messages = {} -- what is to be published when all is written: { command, channel, text } each
local dirty = false -- whether the verb that runs has written something

-- Writes, so that an error behind it is known to be one of unknown outcome.
local function write(...)
  local reply = redis.call(...)
  dirty = true
  return reply
end
