-- The short ways for shared leases: see contended.
-- KEYS   see lease
-- Reply  see acquire, release
--include joinshared
--include passon
return joinShared, passOn
