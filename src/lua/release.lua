-- Leaves, as a holder or as a waiter, and settles: the next waiter holds before the reply is sent.
-- KEYS   see include/name
-- ARGV   1 owner, or "" to break every lease on the name, and to clear away what cannot be read
--        2 own channel; or, where no queue is kept, "!" and a channel on which to tell that a lease was given up
--        3 not-after, ms of server time
-- Reply  { 1 if a lease was given up, grants made, { own grants … } } · 1 one was, and nobody waited
--        · -1 came too late
local owner, channel, notAfter, one, other, more = ...
local latest = whole(notAfter, 0, HIGHEST)
if not latest or (one or '') ~= '' or (other or '') ~= '' or more then return refused('ARGUMENT', 'owner, channel, not-after') end
if now > latest then return -1 end
--include name
if holder == owner and string.byte(channel) ~= 33 and redis.call('EXISTS', due, queue, specs) == 0 then
  redis.call('DEL', lock) -- nobody to hand over to: as below, sooner
  return 1
end
--include model
--include memory
--include queue
--include keep
--include settle
if unreadable and owner ~= '' then return refused('CORRUPTED', unreadable) end
local held = 0
local function clear() -- who waits asks again, and is back at its place
  held = math.max(held, math.min(redis.call('DEL', due, queue, specs), 1))
  entries, waiters, used = 0, 0, 0
end
if unreadable then clear() end
lapse()
if holder and (holder == owner or owner == '') then
  redis.call('DEL', lock)
  holder, held = false, 1
end
if owner == '' then
  for _, other in ipairs(redis.call('ZRANGE', due, 0, -1)) do
    if not redis.call('ZRANK', queue, other) then
      drop(other)
      held = 1
    end
  end
  if entries ~= waiters then clear() end -- an owner is in the one and not in the other
  token = math.min(math.max(token + 1, micros), HIGHEST) -- the broken leases learn from it that they were taken
  remember(MEMORY, '')
elseif held == 0 and redis.call('ZSCORE', due, owner) then
  if not redis.call('ZRANK', queue, owner) then held = 1 end
  drop(owner)
end
settle(channel)
local public = held == 1 and string.match(channel, '^!(.*)')
local listeners = public and redis.pcall('PUBSUB', 'NUMSUB', public)[2] or 0
if listeners > 0 then redis.pcall('PUBLISH', public, listeners) end -- how many they are: else all would ask at once
return { held, grants, own }
