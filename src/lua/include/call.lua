-- The state that all names of a call share. The server's time is read once.
local call = redis.call -- a local is found sooner than a field of a global
local time = call('TIME')
local micros = time[1] * 1000000 + time[2]
local now = (micros - micros % 1000) / 1000 -- ms
local messages = {} -- to be published when everything is written: { command, channel, text } each
local hasWritten = false -- whether the verb that runs has written something: then its outcome is unknown, should it fail
