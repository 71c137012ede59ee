-- Returns how long the server has been up, in whole seconds: in a quorum a server that may have forgotten a lock has no vote.
-- KEYS   none
-- Reply  { seconds }
return { tonumber(string.match(redis.call('INFO', 'server'), 'uptime_in_seconds:(%d+)')) }
