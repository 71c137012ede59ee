-- Tells how long the server has been up, in whole seconds: a quorum lets no server vote that may have forgotten a lock.
-- KEYS   none
-- Reply  { seconds }
return { tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)')) }
