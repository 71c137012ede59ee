-- The exclusive holder, as the value of the lock tells: "owner fence ttl", with " over" behind it where the lease was
-- released and is held over, so that it ends by lapsing alone. A value of any other form is a plain client's token: the
-- owner is that token itself, announces nothing, and has no fence.
--include bounds
--include call

local function parseHolder(value)
  if not value then return nil end
  local at, _, fence, ms, over = string.find(value, ' ([1-9]%d*) ([1-9]%d*)( ?%l*)$', 2)
  local ttl = tonumber(ms)
  if at and (over == '' or over == ' over') and tonumber(fence) <= HIGHEST and ttl <= LONGEST then
    return { owner = string.sub(value, 1, at - 1), fence = fence, ttl = ttl, over = over ~= '' }
  end
  return { owner = value, plain = true }
end

-- Whether it is the owner's lease, and the one with this fence where one is told ("0" is none).
local function isLease(holder, owner, fence)
  if not holder or holder.over or holder.owner ~= owner then return false end
  return holder.plain or fence == '0' or holder.fence == fence
end

-- The ttl afresh. A full memory refuses no PEXPIRE, and nothing behind it.
local function extend(lockKey, holder, ttl)
  write('PEXPIRE', lockKey, ttl)
  if holder.plain or holder.ttl == ttl then return end
  write('SET', lockKey, holder.owner .. ' ' .. holder.fence .. ' ' .. ttl, 'PX', ttl)
end
