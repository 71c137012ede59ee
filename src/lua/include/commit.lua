-- Writes the planned changes of a name, in an order in which a failure half-way leaves nothing wrong behind: first the claims
-- that are new, then the lock, then the claims that are removed. No key is touched after it may have been deleted: in a slot
-- that moves to another node a deleted key counts as moved, so Redis fails a script that touches it, and undoes nothing.
-- Claims and specs are written together, and expire together.
--include expire
--include plan
local CHUNK = 1000 -- values in one command

local function writeAll(command, key, values)
  local sum = 0
  for i = 1, #values, CHUNK do
    sum = sum + write(command, key, unpack(values, i, math.min(i + CHUNK - 1, #values)))
  end
  return sum
end

local function putLock(name)
  if name.value then
    write('SET', name.lock, name.value, 'PX', name.left)
  elseif name.dropLock then
    write('DEL', name.lock)
  elseif name.shortenTo then
    write('PEXPIRE', name.lock, name.shortenTo)
  end
end

-- A full memory refuses the first write of a script, if that may need memory, and no later one. What must not be refused
-- begins with an HDEL that deletes nothing. That HDEL also fails if the key is of another type, before anything is removed.
local function commit(name, mustNotFail)
  local fields, removed = name.fields, {}
  name.removed[''] = name.beyond == 0 and (name.removed[''] or name.storedBeyond > 0) or nil
  if name.beyond > 0 and name.beyond ~= name.storedBeyond then name.scores = add(name.scores, -name.beyond, '') end
  for owner in pairs(name.removed) do removed[#removed + 1] = owner end
  if not mustNotFail and #removed > 0 then redis.call('HGET', name.specs, '') end -- of another type: fails before any write
  local left = fields and name.count > 0 and redis.call('PTTL', name.specs) or -2 -- of claims, too
  local short = fields and left < name.lasting
  local gains = name.value or fields or name.scores
  if mustNotFail and gains or not gains and #removed > 0 then write('HDEL', name.specs, '') end
  if fields then writeAll('HSET', name.specs, fields) end
  if short then expire(name.specs, name.lasting, left == -2) end
  local new = name.count == 0
  if name.scores then name.count = name.count + writeAll('ZADD', name.claims, name.scores) end
  if short and name.count > 0 then expire(name.claims, name.lasting, new) end
  putLock(name)
  name.count = name.count - #removed
  if #removed > 0 and name.count > 0 then
    writeAll('ZREM', name.claims, removed)
    writeAll('HDEL', name.specs, removed)
  elseif #removed > 0 then
    write('DEL', name.claims)
    write('DEL', name.specs)
  end
end
