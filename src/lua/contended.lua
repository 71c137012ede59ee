-- The verbs in full: see free, which defines them inside lease where they are needed.
-- KEYS   see lease
-- Reply  see each
--include acquire
--include raise
--include release
--include share
return { acquire = acquire, raise = raiseFence, release = release, share = shareLease }
