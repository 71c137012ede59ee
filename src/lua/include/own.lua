-- What the owner who asks is already, by an entry that has not lapsed: a shared holder, a waiter, or neither.
local lapses = redis.call('ZSCORE', due, owner)
local here = lapses and tonumber(lapses) > now
local place = here and redis.call('ZSCORE', queue, owner)
local shares = here and not place
local known = here and redis.call('HGET', specs, owner)
local entry = parse(known)
if shares and not (entry.mode == 's' and entry.token ~= '') then
  unreadable = 'the spec of a shared lease is unreadable'
end
