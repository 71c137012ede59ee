-- Gives a holder its ttl afresh, or turns its exclusive lease into a shared one. Never makes a holder of anyone.
-- KEYS   see include/model
-- ARGV   1 owner  2 ttl, ms  3 the lease's token  4 spec of the shared lease to turn into, or ""  5 own channel
-- Reply  { 1, now, { own grants … } } · { 0, now, {} } no holder any more · { -1, now, {} } and somebody was granted it since
--include name
--include model
--include memory
--include settle
local owner, ttl = ARGV[1], tonumber(ARGV[2])
local score = redis.call('ZSCORE', due, owner)
local shared = score and tonumber(score) > now and not redis.call('ZRANK', queue, owner)
if holder == owner and ARGV[4] ~= '' then
  if entries > 0 then lapse() end
  redis.call('DEL', lock)
  holder = false
  share(owner, 1, ARGV[4] .. ' ' .. ARGV[3], ttl)
  settle(ARGV[5])
  return { 1, now, own }
elseif holder == owner then
  redis.call('PEXPIRE', lock, ttl) -- the first write: a full memory refuses none of a renewal's
  token = math.max(token, tonumber(ARGV[3]))
  remember(ttl, owner)
  return { 1, now, own }
elseif shared then
  local text = redis.call('HGET', specs, owner)
  keep(ttl, true) -- the first write, here too
  redis.call('ZADD', due, now + ttl, owner)
  redis.call('HSET', specs, owner, (string.gsub(text, '^(%a %d+ %d+) %d+', '%1 ' .. ttl)))
  if record then remember(ttl, lastOwner) end
  return { 1, now, own }
end
return { (holder or token > tonumber(ARGV[3])) and -1 or 0, now, own }
