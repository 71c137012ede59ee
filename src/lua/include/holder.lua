-- The exclusive holder, from the value of the lock: "owner fence ttl"; with " over" behind it if the lease was released and
-- is held over, so that it ends only by lapsing. A value of any other form is a plain client's: the whole value is the
-- owner, which announces nothing and has no fence.
--include bounds: HIGHEST, LARGEST
--include write: write

local function parseHolder(value)
  if not value then return nil end
  local at, _, fence, ms, over = string.find(value, ' ([1-9]%d*) ([1-9]%d*)( ?%l*)$', 2)
  local ttl = tonumber(ms)
  if at and (over == '' or over == ' over') and tonumber(fence) <= HIGHEST and ttl <= LARGEST then
    return { owner = string.sub(value, 1, at - 1), fence = fence, ttl = ttl, heldOver = over ~= '' }
  end
  return { owner = value, plain = true }
end

-- Whether it is the owner's lease, with this fence ("0": with any).
local function isLease(holder, owner, fence)
  if not holder or holder.heldOver or holder.owner ~= owner then return false end
  return holder.plain or fence == '0' or holder.fence == fence
end

-- Gives the lease its full ttl. PEXPIRE comes first: a full memory refuses neither it nor any later write.
local function extend(lockKey, holder, ttl)
  write('PEXPIRE', lockKey, ttl)
  if holder.plain or holder.ttl == ttl then return end
  write('SET', lockKey, holder.owner .. ' ' .. holder.fence .. ' ' .. ttl, 'PX', ttl)
end
