-- Writes what was planned for a name, so that what fails half-way leaves nothing wrong behind: first what somebody has
-- from now on, then the lock, and what goes last. A key is written over as it stands, and none is touched once it may be
-- gone: in a slot that moves to another node Redis fails a script there, and undoes nothing.
--include plan
local CHUNK = 1000 -- values in one command

function Name.writeAll(name, command, key, values)
  local sum = 0
  for i = 1, #values, CHUNK do
    sum = sum + name:write(command, key, unpack(values, i, math.min(i + CHUNK - 1, #values)))
  end
  return sum
end

-- Writes, and gives the key an expiry where it has less ms left than it needs: -2 where this call makes it, which does
-- not stay if it gets none.
function Name.put(name, command, key, values, left)
  if #values == 0 then return 0 end
  local added = name:writeAll(command, key, values)
  if left >= name.lasting and left >= 0 then return added end
  local done = redis.pcall('PEXPIRE', key, math.floor(1.25 * name.lasting) + 1000)
  if type(done) ~= 'table' then return added end
  if left == -2 then redis.pcall('DEL', key) end
  error(done)
end

-- A full memory refuses the first write of a script, if that may need some, and none behind it. What "frees" is not to be
-- refused, and begins with a write that does nothing.
function Name.commit(name, frees)
  local fields, scores, gone = name.fields, name.scores, {}
  name.gone[''] = name.kept > 0 and name.beyond == 0 or nil
  if name.beyond > 0 and name.beyond ~= name.kept then
    scores[#scores + 1], scores[#scores + 2] = -name.beyond, ''
  end
  for owner in pairs(name.gone) do gone[#gone + 1] = owner end
  local new = name.count == 0
  local specsLeft = #fields > 0 and not new and redis.call('PTTL', name.specs) or -2
  local claimsLeft = #scores > 0 and not new and redis.call('PTTL', name.claims) or -2
  if frees and (#fields > 0 or #scores > 0 or name.value or #gone > 0) then name:write('HDEL', name.specs, '') end
  name:put('HSET', name.specs, fields, specsLeft)
  name.count = name.count + name:put('ZADD', name.claims, scores, claimsLeft) - #gone
  if name.value then
    name:write('SET', name.lock, name.value, 'PX', name.left)
  elseif name.free then
    name:write('DEL', name.lock)
  end
  if #gone > 0 and name.count > 0 then
    name:writeAll('ZREM', name.claims, gone)
    name:writeAll('HDEL', name.specs, gone)
  elseif #gone > 0 then
    name:write('DEL', name.claims)
    name:write('DEL', name.specs)
  end
end
