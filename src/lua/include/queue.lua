-- Grants from the head of the queue for as long as the head fits.
--include clock
--include holder
--include listen
--include plan
Name.clock = clock
local SILENT = 300 -- ms for which a grant holds that nobody can be told of yet

-- Exclusive: alone. Shared: beside other shared holders while the permits in use stay within the limit.
function Name.fits(name, spec)
  if name.holder or name.clock:highest() >= HIGHEST then return false end
  if spec.mode == 'x' then return name.sharers == 0 end
  return spec.limit == 0 or name.sharers + name.beyond + spec.permits <= spec.limit
end

-- Plans that the owner is a holder for ms from now, and returns its fence.
function Name.grant(name, owner, spec, ms)
  local fence = string.format('%d', name.clock:draw())
  if spec.mode == 's' then
    name:admit(owner, spec, fence, ms)
  else
    name.value, name.left = owner .. ' ' .. fence .. ' ' .. spec.ttl, ms
    name.holder = { owner = owner, fence = fence, ttl = spec.ttl }
    name.gone[owner] = true
  end
  return fence
end

-- Plans that a waiter is a holder, and is told so: in the reply, if the coordinator that asks is its own.
function Name.handOver(name, owner, spec, asking)
  local ms, own = math.min(spec.ttl, spec.waiterTtl), spec.channel == asking
  local silent = not own and string.byte(spec.channel) == 45 -- "-"
  local fence = name:grant(owner, spec, silent and math.min(ms, SILENT) or ms)
  name.grants = name.grants + 1
  if own then
    name.own[#name.own + 1], name.own[#name.own + 2] = owner, fence
  elseif not silent then
    name:tell(spec.channel, cjson.encode({ name.lock, owner, fence }))
  end
end

-- The spec of a waiter that is alive; a dead one goes. A clock that stepped back gives nobody longer than asking does.
function Name.waiter(name, owner)
  local spec = name.parseSpec(redis.call('HGET', name.specs, owner))
  if not spec or spec.last <= name.now then
    name.gone[owner] = true
    return nil
  end
  if spec.last > name.now + spec.waiterTtl then name:await(owner, spec) end
  return spec
end

-- asking is the channel of the coordinator that asks. self, if one of its owners does, has its turn by its ticket or behind
-- all, and reads its grant, with its full ttl, from self.fence. Who cannot be told keeps its place, and is passed over.
function Name.settle(name, asking, self)
  local at = name.others
  while not name.holder do
    local owner = at < name.count and redis.call('ZRANGE', name.claims, at .. '', at .. '')[1]
    if self and not self.fence and (not owner or owner == self.owner or name:isBefore(self, owner)) then
      if not name:fits(self.spec) then return end
      self.fence = name:grant(self.owner, self.spec, self.spec.ttl)
    elseif not owner then
      return
    else
      at = at + 1
      local spec = not name.gone[owner] and not (self and self.owner == owner) and name:waiter(owner)
      if spec and not name:fits(spec) then return end
      if spec and (spec.channel == asking or name:listens(spec.channel)) then name:handOver(owner, spec, asking) end
    end
  end
end

-- Whether a ticket that was told, and is not in the queue any more, comes before a waiter's.
function Name.isBefore(name, self, owner)
  return self.ticket and not self.queued and self.ticket <= tonumber(redis.call('ZSCORE', name.claims, owner))
end
