-- A spec, that is what an owner has asked for, in a text:
--   "mode permits limit ttl waiterTtl channel"            a request
--   "mode permits limit ttl waiterTtl channel fence"      stored for a shared holder; " over" behind it as in holder
--   "mode permits limit ttl waiterTtl channel deadline"   stored for a waiter, which is dead unless it asks again before
-- mode is x or s, limit 0 for none. The channel is that of the owner's coordinator: see listen. Times are in ms.
local SPEC = '^([xs]) ([1-9]%d*) (%d+) ([1-9]%d*) ([1-9]%d*) ([psc%-]%S*)( ?%d*)( ?%l*)$'

-- Whether a request can be granted while shared holders use that many permits.
local function hasRoom(mode, permits, limit, inUse)
  if mode == 'x' then return inUse == 0 end
  return limit == 0 or inUse + permits <= limit
end
