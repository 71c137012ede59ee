-- The expiry of claims and specs, after which they are removed if no owner comes back to them.

-- Sets the expiry of a key that was just written and is needed for some ms. If that fails, a new key is deleted.
local function expire(key, ms, new)
  local done = redis.pcall('PEXPIRE', key, math.floor(1.25 * ms) + 1000)
  if type(done) ~= 'table' then return end
  if new then redis.pcall('DEL', key) end
  error(done)
end
