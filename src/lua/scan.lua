-- One slice of the keys that match: a script, so that it ends by its deadline as every other call.
-- KEYS   none
-- ARGV   1 cursor  2 pattern
-- Reply  { next cursor, { keys … } }
return redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000)
