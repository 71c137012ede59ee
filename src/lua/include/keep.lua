-- The side keys live together, a little longer than their longest entry: ttl is that of one made or renewed now.
local function keep(ttl, fresh)
  local left = redis.call('PTTL', due)
  if left >= ttl and not fresh then return end
  for _, key in ipairs({ due, queue, specs }) do redis.call('PEXPIRE', key, math.max(math.min(left, LONGEST), ttl + 1000)) end
end
