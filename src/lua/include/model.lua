-- What is known of a name beyond its holder: the last grant.
local token, lastTtl, lastOwner = 0, 0, false
local record = redis.call('GET', last)
if record then
  token, lastTtl, lastOwner = string.match(record, '^(%d+) (%d+) (.*)$')
  token, lastTtl = tonumber(token), tonumber(lastTtl)
  if not token or token > 9007199254740991 or lastTtl > 2147483647 then
    return redis.error_reply('REDISYNC_CORRUPTED the memory of the last fencing token is unreadable')
  end
end
