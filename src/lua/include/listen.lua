-- How a grant is told to a waiter. The first letter of its channel says what its coordinator can hear: p PUBLISH, s SPUBLISH,
-- c PUBLISH in a Cluster, which cannot count who listens on other nodes; -: nothing yet, but it asks again as soon as it listens.
--include call: messages
local UNTOLD = 300 -- ms for which a grant holds whose coordinator does not listen yet: enough to subscribe and to ask again
local told -- channel -> how its waiters are told

-- Returns 'reply' if the asking coordinator is the waiter's own; 'PUBLISH' or 'SPUBLISH'; 'later' if the waiter is not told, but
-- asks again soon; false if nobody listens: then it is not granted.
local function tellingOf(channel, askingChannel)
  if channel == askingChannel then return 'reply' end
  told = told or {}
  if told[channel] ~= nil then return told[channel] end
  local how = string.sub(channel, 1, 1)
  local telling = how == '-' and 'later' or how == 's' and 'SPUBLISH' or 'PUBLISH'
  if how == 'p' or how == 's' then
    local counted = redis.pcall('PUBSUB', how == 's' and 'SHARDNUMSUB' or 'NUMSUB', string.sub(channel, 2))
    telling = not counted.err and tonumber(counted[2]) > 0 and telling
  end
  told[channel] = telling
  return telling
end

local function publish(command, channel, text)
  messages[#messages + 1] = { command, string.sub(channel, 2), text }
end
