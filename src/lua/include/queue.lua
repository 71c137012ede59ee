-- How settle grants, once no exclusive holder is in the way.
--include claims
--include clock
--include listen
--include plan
local SILENT = 300 -- ms for which a grant holds that nobody can be told of yet

-- Exclusive: alone. Shared: beside other shared holders while the permits in use stay within the limit.
local function fits(name, spec)
  if name.holder or highest() >= HIGHEST then return false end
  if spec.mode == 'x' then return name.sharers == 0 end
  return spec.limit == 0 or name.sharers + name.beyond + spec.permits <= spec.limit
end

-- Plans that the owner is a holder for ms from now, and returns its fence.
local function grant(name, owner, spec, ms)
  local fence = digits(draw())
  if spec.mode == 's' then
    admit(name, owner, spec, fence, ms)
  else
    name.value, name.left, name.holder = owner .. ' ' .. fence .. ' ' .. spec.ttl, ms, spec
    name.gone[owner] = true
  end
  return fence
end

-- Plans that a waiter is a holder, and is told so: in the reply, if the coordinator that asks is its own.
local function handOver(name, owner, spec, asking)
  local own, most = spec.channel == asking, math.min(spec.ttl, spec.waiterTtl)
  local silent = not own and string.byte(spec.channel) == 45 -- "-"
  local fence = grant(name, owner, spec, silent and math.min(most, SILENT) or most)
  name.grants = name.grants + 1
  if own then
    name.own[#name.own + 1], name.own[#name.own + 2] = owner, fence
  elseif not silent then
    tell(spec.channel, cjson.encode({ name.lock, owner, fence }))
  end
end

-- The spec of a waiter that is alive; a dead one goes. A clock that stepped back gives nobody longer than asking does.
local function waiterOf(name, owner)
  local spec = parseSpec(redis.call('HGET', name.specs, owner))
  if spec and spec.last > call.now and spec.last < FIRST then
    if spec.last > call.now + spec.waiterTtl then await(name, owner, spec) end
    return spec
  end
  local score = spec and spec.last >= FIRST and tonumber(redis.call('ZSCORE', name.claims, owner)) or 0
  if score > call.now and score < FIRST then -- a shared holder, beside an exclusive one: it was made by half
    name.sharers, name.beyond = name.sharers + 1, name.beyond + spec.permits - 1
  else
    name.gone[owner] = true
  end
end

-- Whether a ticket that was told, and may not be in the queue any more, comes before a waiter's.
local function isBefore(name, self, owner)
  return self.told and self.told <= tonumber(redis.call('ZSCORE', name.claims, owner))
end

-- Who cannot be told keeps its place, and is passed over.
return function(name, asking, self)
  local at = name.others
  while not name.holder do
    local owner = at < name.count and redis.call('ZRANGE', name.claims, at .. '', at .. '')[1]
    if self and not self.fence and (not owner or self.queued and owner == self.owner or isBefore(name, self, owner)) then
      if not fits(name, self.spec) then return end
      self.fence = grant(name, self.owner, self.spec, self.spec.ttl)
    elseif not owner then
      return
    else
      at = at + 1
      local spec = not name.gone[owner] and not (self and self.owner == owner) and waiterOf(name, owner)
      if spec and not fits(name, spec) then return end
      if spec and (spec.channel == asking or listens(spec.channel)) then handOver(name, owner, spec, asking) end
    end
  end
end
