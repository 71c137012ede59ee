-- Writes the planned changes of a name, in an order in which a failure half-way leaves nothing wrong behind: first the claims
-- that are new, then the lock, then the claims that are removed. No key is touched after it may have been deleted: in a slot
-- that moves to another node a deleted key counts as moved, so Redis fails a script that touches it, and undoes nothing.
-- Claims and specs are written together, and expire together.
--include call: call
--include expire: expire
--include plan: add
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
  local fields, removed = state.fields, {}
  if state.beyond > 0 then state.removed[''] = nil end
  if state.beyond ~= state.storedBeyond and (state.beyond > 0 or state.scores) then -- in one write with a score of DEPARTED
    state.scores = add(state.scores, -state.beyond, '')
  end
  for owner in pairs(state.removed) do removed[#removed + 1] = owner end
  local gains = state.lockValue or fields or state.scores
  if not mustNotFail and #removed > 0 then call('HGET', state.specsKey, '') end -- of another type: fails before any write
  local left = fields and state.count > 0 and call('PTTL', state.specsKey) or -2 -- of claims, too
  local short = fields and left < state.lasting
  if mustNotFail and gains or not gains and #removed > 0 then beginWrites(state.specsKey) end
  if fields then writeAll('HSET', state.specsKey, fields) end
  if short then expire(state.specsKey, state.lasting, left == -2) end
  local new = state.count == 0
  if state.scores then state.count = state.count + writeAll('ZADD', state.claimsKey, state.scores) end
  if short and state.count > 0 then expire(state.claimsKey, state.lasting, new) end
  writeLock(state)
  state.count = state.count - #removed
  if #removed > 0 and state.count > 0 then
    writeAll('ZREM', state.claimsKey, removed)
    writeAll('HDEL', state.specsKey, removed)
  elseif #removed > 0 then
    write('DEL', state.claimsKey)
    write('DEL', state.specsKey)
  end
end
