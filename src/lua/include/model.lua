-- What is known of a name beyond its holder: the last grant. And what of its keys cannot be read, if anything.
local token, lastTtl, lastOwner, unreadable = 0, 0, false, false
local record = redis.call('GET', last)
if record then
  token, lastTtl, lastOwner = string.match(record, '^(%d+) ([1-9]%d*) (.*)$')
  token, lastTtl = tonumber(token), tonumber(lastTtl)
  if not token or token > HIGHEST or lastTtl > LONGEST then
    token, lastTtl, lastOwner, unreadable = 0, 0, false, 'the memory of the last fencing token is unreadable'
  end
end
