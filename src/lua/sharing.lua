-- The short ways to share a lock, and to release what is shared.
-- KEYS   see lease
-- Reply  see acquire, release
--include joinshared
--include passon
return joinShared, passOn
