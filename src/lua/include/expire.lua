-- How long claims and specs stay where nobody comes back to them.
--include call

-- An expiry for a key that was just written, and is needed for some ms. A key that is new and gets none does not stay.
local function expire(key, ms, new)
  local done = redis.pcall('PEXPIRE', key, math.floor(1.25 * ms) + 1000)
  if type(done) ~= 'table' then return end
  if new then redis.pcall('DEL', key) end
  error(done)
end
