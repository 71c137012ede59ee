-- The exclusive holder, as the value of the lock tells: "owner fence ttl", with " over" behind it where the lease was
-- released and is held over, so that it ends by lapsing alone. A value of any other form is a plain client's token: the
-- owner is that token itself, announces nothing, and has no fence.
--include bounds
--include name

local function valueOf(owner, fence, ttl)
  return owner .. ' ' .. fence .. ' ' .. ttl
end

-- Whether a value tells of the owner's lease, and of the one with this fence where one is told ("0" is none).
local function tells(value, owner, fence)
  if not value or string.sub(value, 1, #owner) ~= owner then return false end
  local told = string.match(value, '^ ([1-9]%d*) [1-9]%d*$', #owner + 1)
  return told and (fence == '0' or told == fence)
end

function Name.parseHolder(value)
  if not value then return nil end
  local owner, fence, ttl, over = string.match(value, '^(.+) ([1-9]%d*) ([1-9]%d*)( ?%l*)$')
  if owner and (over == '' or over == ' over') and tonumber(fence) <= HIGHEST and tonumber(ttl) <= LONGEST then
    return { owner = owner, fence = fence, ttl = tonumber(ttl), over = over ~= '' }
  end
  return { owner = value, plain = true }
end

-- The same of who holds the name, who may be a plain client.
function Name.isHeld(name, owner, fence)
  local holder = name.holder
  if not holder or holder.over or holder.owner ~= owner then return false end
  return holder.plain or fence == '0' or holder.fence == fence
end

-- The ttl afresh for who holds the name. A full memory refuses no PEXPIRE, and nothing behind it.
function Name.extend(name, ttl)
  local holder = name.holder
  name:write('PEXPIRE', name.lock, ttl)
  if holder.plain or holder.ttl == ttl then return end
  name:write('SET', name.lock, holder.owner .. ' ' .. holder.fence .. ' ' .. ttl, 'PX', ttl)
end
