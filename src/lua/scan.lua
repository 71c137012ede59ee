-- Scans one slice of the keys for names that are held or waited for: locks by their values, claims by their keys.
-- It is a script, so that it has a deadline like every other call.
-- KEYS   none
-- ARGV   cursor, the glob of claims, the prefix of locks: the values of other keys are not read
-- Reply  { next cursor, { locks … }, { claims … } }
local strings = redis.call('SCAN', ARGV[1], 'COUNT', 1000, 'TYPE', 'string')
local claims = redis.call('SCAN', ARGV[1], 'MATCH', ARGV[2], 'COUNT', 1000, 'TYPE', 'zset')
local locks = {}
for _, key in ipairs(strings[2]) do
  local ours = string.sub(key, 1, #ARGV[3]) == ARGV[3]
  local tail = ours and redis.call('GETRANGE', key, '-40', '-1') or '' -- of a value: a fence, a ttl, and that it is held over
  local last = string.sub(tail, -1) -- most values end otherwise, and a pattern is tried at each of their bytes
  if last >= '0' and last <= '9' and string.find(tail, ' %d+ %d+$') or last == 'r' and string.find(tail, ' %d+ %d+ over$') then
    locks[#locks + 1] = key
  end
end
return { strings[1], locks, claims[2] }
