-- Asks for a lease: joins the queue, settles, and tells whether the owner is a holder now. Idempotent per owner.
-- KEYS   see include/name
-- ARGV   1 owner  2 spec  3 not-after, ms of server time  4 "1" to stay in the queue when denied
--        5 arrival, as an earlier denial told it, or ""
-- Reply  token granted · { token, { own grants … } } granted, and others with it · -1 came too late
--        { ms until something lapses, place in the queue, 1 if a foreign client holds it, last token, arrival,
--          { own grants … } } denied
local owner, text, notAfter, stay, arrived, more = ...
local latest, arrival = whole(notAfter, 0, HIGHEST), whole(arrived, 0, HIGHEST - 1)
if not latest or owner == '' or not (arrival or arrived == '') or more then
  return refused('ARGUMENT', 'owner, spec, not-after, "1" to stay, arrival')
end
if now > latest then return -1 end
--include model
--include memory
if unreadable then return refused('CORRUPTED', unreadable) end
if redis.call('EXISTS', lock, due, queue, specs) == 0 and token < HIGHEST then
  local ttl, waiterTtl = string.match(text, '^x 1 0 ([1-9]%d*) ([1-9]%d*) [psc%-]%S*$')
  if ttl and #ttl < 10 and #waiterTtl < 10 then -- x, and nobody is here: as below, sooner
    token = math.max(token + 1, micros)
    redis.call('SET', lock, owner, 'PX', ttl)
    return remember(ttl, owner)
  end
end
--include name
--include queue
--include own
local spec = parse(text)
if spec.token ~= '' then return refused('ARGUMENT', 'the spec is none') end
local left = holder and redis.call('PTTL', lock) or 0
if left == -1 then unreadable = 'the key has no expiry, so it is no lock' end
if unreadable then return refused('CORRUPTED', unreadable) end
if token >= HIGHEST then return refused('EXHAUSTED', 'fencing tokens have reached 2^53 - 1') end
if (entry.mode or spec.mode) ~= spec.mode or (holder == owner and spec.mode == 's') then
  return refused('OWNER', 'this owner already has or awaits a lease in another mode')
end
local stays = place or stay == '1'
local busy = holder and holder ~= owner and not shares and #lapsed == 0 and (stays or not arrival)
--include keep
--include near
--include enqueue
local rank, others = waiters, {}
if not busy then
  --include settle
  lapse()
  if holder == owner then
    if lastOwner ~= owner then token = math.max(token + 1, micros) end
    redis.call('PEXPIRE', lock, spec.ttl)
    return remember(spec.ttl, owner)
  elseif shares then
    redis.call('ZADD', due, now + spec.ttl, owner)
    redis.call('HSET', specs, owner, (string.gsub(known, '^(%a %d+ %d+) %d+', '%1 ' .. spec.ttl)))
    keep(spec.ttl)
    return entry.token
  elseif waiters == 0 and fits(spec) then
    return grant(owner, spec, text, spec.ttl)
  end
  enqueue()
  local mine = settle(spec.channel, owner)
  if mine then return { mine, own } end
  rank, others = redis.call('ZRANK', queue, owner), own
  if not stays then drop(owner) end
  if grants > 0 and holder then left = redis.call('PTTL', lock) end
elseif stays then -- nothing to settle
  rank = enqueue()
end
local wait = holder and left or (redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2] or now) - now
local foreign = (holder and holder ~= lastOwner) and 1 or 0
return { math.min(wait, LONGEST), rank, foreign, token, arrival or micros, others }
