-- Gives a holder its ttl afresh, or turns its exclusive lease into a shared one. Never makes a holder of anyone.
-- KEYS   see include/name
-- ARGV   1 owner  2 ttl, ms  3 the lease's token, 0 for none  4 spec of the shared lease to turn into, or ""
--        5 not-after, ms of server time
-- Reply  1 · { 1, { own grants … } } others were let in · 0 no holder any more · -1 and somebody was granted it since
--        · -2 came too late
local owner, ms, grantText, into, notAfter, more = ...
local ttl, fence, latest = whole(ms, 1, LONGEST), whole(grantText, 0, HIGHEST), whole(notAfter, 0, HIGHEST)
if not ttl or not fence or not latest or owner == '' or more then
  return refused('ARGUMENT', 'owner, ttl, token, spec or "", not-after')
end
if now > latest then return -2 end
--include name
--include model
--include memory
if unreadable then return refused('CORRUPTED', unreadable) end
if holder == owner and lastOwner == owner and fence > 0 and token > fence then return -1 end -- a later lease of its owner
if holder == owner and into == '' then
  if redis.call('EXISTS', due, queue, specs) > 0 then -- of another type: an error here; whoever waits is none of this
    redis.call('ZCARD', due)
    redis.call('ZCARD', queue)
    redis.call('HGET', specs, '')
  end
  redis.call('PEXPIRE', lock, ttl) -- the first write: a full memory refuses none of a renewal's
  token = math.max(token, fence)
  remember(ttl, owner)
  return 1
end
--include queue
--include own
--include keep
--include settle
local spec = parse(into)
if into ~= '' and not (spec.mode == 's' and spec.token == '') then return refused('ARGUMENT', 'the spec is none') end
if unreadable then return refused('CORRUPTED', unreadable) end
if holder == owner then
  lapse()
  redis.call('DEL', lock)
  holder = false
  share(owner, spec.permits, into .. ' ' .. string.format('%.0f', fence), ttl)
  settle(spec.channel)
  return { 1, own }
elseif shares and fence > 0 and tonumber(entry.token) > fence then
  return -1
elseif shares then
  keep(ttl, true) -- the first write, here too
  redis.call('ZADD', due, now + ttl, owner)
  redis.call('HSET', specs, owner, (string.gsub(known, '^(%a %d+ %d+) %d+', '%1 ' .. ttl)))
  if record then remember(ttl, lastOwner) end
  return 1
end
return (holder or token > fence) and -1 or 0
