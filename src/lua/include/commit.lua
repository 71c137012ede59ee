-- Writes what was planned for a name, so that what fails half-way leaves nothing wrong behind: first what somebody shares
-- or waits with from now on, then the lock and what goes. A key is written over as it stands, and none is touched once
-- it may be gone: in a slot that moves to another node a deleted key counts as one that has moved, so Redis fails a script
-- that touches it, and undoes nothing. Claims and specs are written together, and expire together.
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

-- Redis looks at maxmemory up to the first write of a script, and not behind it. What must not fail for a full memory begins
-- with an HDEL of nothing, which is not refused. That also tells whether the key is of another type, before anything goes.
local function commit(name, mustNotFail)
  local fields, gone = name.fields, {}
  name.gone[''] = name.beyond == 0 and (name.gone[''] or name.storedBeyond > 0) or nil
  if name.beyond > 0 and name.beyond ~= name.storedBeyond then name.scores = add(name.scores, -name.beyond, '') end
  for owner in pairs(name.gone) do gone[#gone + 1] = owner end
  if not mustNotFail and #gone > 0 then redis.call('HGET', name.specs, '') end -- of another type: an error before any write
  local left = fields and name.count > 0 and redis.call('PTTL', name.specs) or -2 -- of claims, too
  local short = fields and left < name.lasting
  local gains = name.value or fields or name.scores
  if mustNotFail and gains or not gains and #gone > 0 then write('HDEL', name.specs, '') end
  if fields then writeAll('HSET', name.specs, fields) end
  if short then expire(name.specs, name.lasting, left == -2) end
  local new = name.count == 0
  if name.scores then name.count = name.count + writeAll('ZADD', name.claims, name.scores) end
  if short and name.count > 0 then expire(name.claims, name.lasting, new) end
  putLock(name)
  name.count = name.count - #gone
  if #gone > 0 and name.count > 0 then
    writeAll('ZREM', name.claims, gone)
    writeAll('HDEL', name.specs, gone)
  elseif #gone > 0 then
    write('DEL', name.claims)
    write('DEL', name.specs)
  end
end
