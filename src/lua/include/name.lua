-- What every script knows of a name.
-- KEYS  1 lock   STRING  the exclusive holder's owner, PX: the wire format of every plain Redis lock
--       2 last   STRING  "token ttl owner" of the last grant: the memory that makes tokens rise
--       3 due    ZSET    owner -> ms at which it lapses, for shared holders and waiters alike
--       4 queue  ZSET    owner -> order of arrival, for waiters only
--       5 specs  HASH    owner -> spec, '' -> permits in use
-- A spec is "mode permits limit ttl waiterTtl channel", and a shared holder's goes on with its token:
-- mode x or s, limit 0 for none, channel - for a coordinator that does not listen yet.
-- Each key is read before the first write: one of another type ends the script with WRONGTYPE, nothing written.
local holder = redis.call('GET', lock)
local entries = redis.call('ZCARD', due)
