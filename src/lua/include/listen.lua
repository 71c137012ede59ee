-- Whether a grant can be announced on a channel. Its first letter says how: p PUBLISH, s SPUBLISH, c PUBLISH in a Cluster,
-- which cannot count who listens on other nodes; -: not yet, and its waiter asks again as soon as its coordinator listens.
--include call: messages
local UNTOLD = 300 -- ms for which a grant holds whose coordinator does not listen yet: enough to subscribe and to ask again
local heardOf -- channel -> whether a waiter of it may be granted

local function listensYet(channel)
  return string.sub(channel, 1, 1) ~= '-'
end

-- Whether a waiter of this channel may be granted: its coordinator listens, may listen, or will listen soon.
local function mayBeGranted(channel)
  heardOf = heardOf or {}
  local heard = heardOf[channel]
  if heard ~= nil then return heard end
  local how = string.sub(channel, 1, 1)
  heard = how == '-' or how == 'c'
  if not heard then
    local counted = redis.pcall('PUBSUB', how == 's' and 'SHARDNUMSUB' or 'NUMSUB', string.sub(channel, 2))
    heard = not counted.err and tonumber(counted[2]) > 0
  end
  heardOf[channel] = heard
  return heard
end

local function publish(channel, text)
  local command = string.sub(channel, 1, 1) == 's' and 'SPUBLISH' or 'PUBLISH'
  messages[#messages + 1] = { command, string.sub(channel, 2), text }
end
