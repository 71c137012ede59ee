-- Tells who holds and who waits, in the order of the queue, and writes nothing.
-- KEYS   see include/name
-- Reply  { token or "", { owner, mode, permits, remaining ms … }, { owner, mode, permits, waited ms … } }
--        remaining is -1 where the key has no expiry, and so is no lock
if ... then return refused('ARGUMENT', 'none') end
--include name
--include model
--include queue
if unreadable then return refused('CORRUPTED', unreadable) end
local holders, waiting = {}, {}
local function list(into, owner, mode, permits, ms)
  for _, value in ipairs({ owner, mode, permits, ms }) do into[#into + 1] = value end
end
if holder then list(holders, holder, 'x', 1, math.min(redis.call('PTTL', lock), HIGHEST - 1)) end
local arrivals = redis.call('ZRANGE', queue, 0, -1, 'WITHSCORES')
local queued = {}
for i = 1, #arrivals, 2 do queued[arrivals[i]] = true end
local due_ = redis.call('ZRANGE', due, 0, -1, 'WITHSCORES')
local over = {}
for _, owner in ipairs(lapsed) do over[owner] = true end
for i = 1, #due_, 2 do
  local owner, left = due_[i], due_[i + 1] - now
  if not over[owner] and not queued[owner] then
    local spec = parse(redis.call('HGET', specs, owner))
    if not spec.mode then return refused('CORRUPTED', 'the spec of a shared lease is unreadable') end
    list(holders, owner, spec.mode, spec.permits, math.min(left, LONGEST))
  end
end
for i = 1, #arrivals, 2 do
  local owner = arrivals[i]
  if not over[owner] then
    local spec = parse(redis.call('HGET', specs, owner))
    local waited = math.floor((micros - arrivals[i + 1]) / 1000)
    if spec.mode then list(waiting, owner, spec.mode, spec.permits, math.min(math.max(0, waited), HIGHEST - 1)) end
  end
end
return { token > 0 and string.format('%.0f', token) or '', holders, waiting }
