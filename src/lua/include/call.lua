-- What is the same for all names of a call. The server's time is read once.
local call = {
  dirty = false, -- whether the verb that runs has written something
  messages = {}, -- what is to be published when all is written: { command, channel, text } each
}
do
  local time = redis.call('TIME')
  call.micros = time[1] * 1000000 + time[2]
  call.now = math.floor(call.micros / 1000) -- ms
end

-- Writes, so that an error behind it is known to be one of unknown outcome.
local function write(...)
  local reply = redis.call(...)
  call.dirty = true
  return reply
end
