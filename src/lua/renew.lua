-- Gives a holder its ttl afresh, or turns its exclusive lease into a shared one. Never makes a holder of anyone.
-- KEYS   see include/name
-- ARGV   1 owner  2 ttl, ms  3 the lease's token  4 spec of the shared lease to turn into, or ""  5 own channel
-- Reply  1 · { 1, { own grants … } } others were let in · 0 no holder any more · -1 and somebody was granted it since
--include name
--include model
--include memory
local owner, ms, grantText, into, channel = ...
local ttl, fence = tonumber(ms), tonumber(grantText)
if holder == owner and into == '' then
  redis.call('PEXPIRE', lock, ttl) -- the first write: a full memory refuses none of a renewal's
  token = math.max(token, fence)
  remember(ttl, owner)
  return 1
end
--include queue
--include settle
local score = redis.call('ZSCORE', due, owner)
local shared = score and tonumber(score) > now and not redis.call('ZRANK', queue, owner)
if holder == owner then
  if entries > 0 then lapse() end
  redis.call('DEL', lock)
  holder = false
  share(owner, 1, into .. ' ' .. grantText, ttl)
  settle(channel)
  return { 1, own }
elseif shared then
  local text = redis.call('HGET', specs, owner)
  keep(ttl, true) -- the first write, here too
  redis.call('ZADD', due, now + ttl, owner)
  redis.call('HSET', specs, owner, (string.gsub(text, '^(%a %d+ %d+) %d+', '%1 ' .. ttl)))
  if record then remember(ttl, lastOwner) end
  return 1
end
return (holder or token > fence) and -1 or 0
