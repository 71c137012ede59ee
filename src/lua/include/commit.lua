-- Writes the planned changes of a name, in an order in which a failure half-way leaves nothing wrong behind: first the claims
-- that are new, then the lock, then the claims that are removed. No key is touched after it may have been deleted: in a slot
-- that moves to another node a deleted key counts as moved, so Redis fails a script that touches it, and undoes nothing.
-- Claims and specs are written together, and expire together.
--include call: call
--include claims: add
--include expire: expire
--include write: write
local CHUNK = 1000 -- values in one command

local function writeAll(command, key, values)
  local sum = 0
  for i = 1, #values, CHUNK do
    sum = sum + write(command, key, unpack(values, i, math.min(i + CHUNK - 1, #values)))
  end
  return sum
end

local function writeLock(state)
  if state.lockValue then
    write('SET', state.lockKey, state.lockValue, 'PX', state.lockMs)
  elseif state.dropLock then
    write('DEL', state.lockKey)
  elseif state.cutLockTo then
    write('PEXPIRE', state.lockKey, state.cutLockTo)
  end
end

-- Begins the writes of a verb that must not fail, by one that needs no memory and changes nothing: a full memory refuses the
-- first write of a script, if that may need memory, and no later one. It also fails, before anything is removed, if the key
-- is of another type.
local function beginWrites(specsKey)
  write('HDEL', specsKey, '')
end

-- mustNotFail: as a release, or for what may have been granted before.
local function commit(state, mustNotFail)
  local fields, leaving = state.fields, {}
  if state.extraPermits > 0 then state.toRemove[''] = nil end
  if state.extraPermits ~= state.storedExtra and (state.extraPermits > 0 or state.scores) then
    -- In one write with the score DEPARTED of who leaves.
    state.scores = add(state.scores, -state.extraPermits, '')
  end
  for owner in pairs(state.toRemove) do leaving[#leaving + 1] = owner end
  local needsMemory = state.lockValue or fields or state.scores
  if not mustNotFail and #leaving > 0 then call('HGET', state.specsKey, '') end -- of another type: fails before any write
  local left = fields and state.count > 0 and call('PTTL', state.specsKey) or -2 -- of claims, too
  local expiresTooSoon = fields and left < state.neededMs
  if mustNotFail and needsMemory or not needsMemory and #leaving > 0 then beginWrites(state.specsKey) end
  if fields then writeAll('HSET', state.specsKey, fields) end
  if expiresTooSoon then expire(state.specsKey, state.neededMs, left == -2) end
  local new = state.count == 0
  if state.scores then state.count = state.count + writeAll('ZADD', state.claimsKey, state.scores) end
  if expiresTooSoon and state.count > 0 then expire(state.claimsKey, state.neededMs, new) end
  writeLock(state)
  state.count = state.count - #leaving
  if #leaving > 0 and state.count > 0 then
    writeAll('ZREM', state.claimsKey, leaving)
    writeAll('HDEL', state.specsKey, leaving)
  elseif #leaving > 0 then
    write('DEL', state.claimsKey)
    write('DEL', state.specsKey)
  end
end
