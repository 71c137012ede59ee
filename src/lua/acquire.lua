-- Asks for a lease: joins the queue, settles, and tells whether the owner is a holder now. Idempotent per owner.
-- KEYS   see include/name
-- ARGV   1 owner  2 spec  3 not-after, ms of server time  4 "1" to stay in the queue when denied
--        5 arrival, as an earlier denial told it, or ""
-- Reply  token granted · { token, { own grants … } } granted, and others with it · -1 came too late
--        { ms until something lapses, place in the queue, 1 if a foreign client holds it, last token, arrival,
--          { own grants … } } denied
local owner, text, notAfter, stay, arrived = ...
if now > tonumber(notAfter) then return -1 end
--include model
--include memory
local free = redis.call('EXISTS', lock, due) == 0
if free and token < HIGHEST and string.byte(text) == 120 then -- x, and nobody is here: as below, sooner
  local ttl = string.match(text, '^x %d+ %d+ (%d+)')
  token = math.max(token + 1, micros)
  redis.call('SET', lock, owner, 'PX', ttl)
  return remember(ttl, owner)
end
--include name
--include queue
--include settle
local spec = parse(text)
local left = holder and redis.call('PTTL', lock) or 0
if left == -1 then
  return redis.error_reply('REDISYNC_CORRUPTED the key has no expiry, so it is no lock')
end
if token >= HIGHEST then
  return redis.error_reply('REDISYNC_EXHAUSTED fencing tokens have reached 2^53 - 1')
end
if entries > 0 then lapse() end
--include near

local known = redis.call('HGET', specs, owner)
local before = known and parse(known) or { mode = spec.mode }
if before.mode ~= spec.mode or (holder == owner and spec.mode == 's') then
  return redis.error_reply('REDISYNC_OWNER this owner already has or awaits a lease in another mode')
end
if holder == owner then
  if lastOwner ~= owner then token = math.max(token + 1, micros) end
  redis.call('PEXPIRE', lock, spec.ttl)
  return remember(spec.ttl, owner)
elseif known and before.token ~= '' then
  redis.call('ZADD', due, now + spec.ttl, owner)
  redis.call('HSET', specs, owner, (string.gsub(known, '^(%a %d+ %d+) %d+', '%1 ' .. spec.ttl)))
  keep(spec.ttl)
  return before.token
elseif waiters == 0 and fits(spec) then
  return grant(owner, spec, text, spec.ttl)
end

local arrival = known and redis.call('ZSCORE', queue, owner) or tonumber(arrived)
if not known then
  arrival = arrival or math.max(micros, (redis.call('ZREVRANGE', queue, 0, 0, 'WITHSCORES')[2] or 0) + 1)
  redis.call('ZADD', queue, arrival, owner)
  waiters, entries = waiters + 1, entries + 1
end
redis.call('ZADD', due, now + spec.waiterTtl, owner)
redis.call('HSET', specs, owner, text)
keep(spec.waiterTtl, waiters == 1)
local mine = settle(spec.channel, owner)
if mine then return { mine, own } end

local place = redis.call('ZRANK', queue, owner)
if stay ~= '1' and not known then drop(owner) end
if grants > 0 and holder then left = redis.call('PTTL', lock) end
local wait = holder and left or redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2] - now
local foreign = (holder and holder ~= lastOwner) and 1 or 0
return { wait, place, foreign, token, tonumber(arrival), own }
