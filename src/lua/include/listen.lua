-- Who can be told of a grant. How says the first letter of a channel: p PUBLISH, s SPUBLISH, c PUBLISH in a Cluster, which
-- does not count who listens elsewhere, - not yet: such a waiter asks again as soon as its coordinator listens.
--include name
Name.channels = {} -- whether anybody listens to a channel

function Name.listens(name, channel)
  local how, heard = string.match(channel, '^(.)(.*)$')
  if how == '-' or how == 'c' then return true end
  local channels = name.channels
  if channels[channel] == nil then
    local counted = redis.pcall('PUBSUB', how == 's' and 'SHARDNUMSUB' or 'NUMSUB', heard)
    channels[channel] = not counted.err and tonumber(counted[2]) > 0
  end
  return channels[channel]
end

function Name.tell(name, channel, text)
  local how, heard = string.match(channel, '^(.)(.*)$')
  local messages = name.call.messages
  messages[#messages + 1] = { how == 's' and 'SPUBLISH' or 'PUBLISH', heard, text }
end
