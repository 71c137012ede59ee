-- What settle needs to grant, once no exclusive holder is in the way.
--include claims
--include clock
--include listen
--include plan

-- Whether a request can be granted now: an exclusive one alone; a shared one if the permits in use stay within its limit.
local function fits(name, spec)
  if name.holder or highest() >= HIGHEST then return false end
  if spec.mode == 'x' then return name.sharers == 0 end
  return spec.limit == 0 or name.sharers + name.beyond + spec.permits <= spec.limit
end

-- Plans that the owner is a holder for ms from now, and returns its fence.
local function grant(name, owner, spec, ms)
  local _, fence = draw()
  if spec.mode == 's' then
    admit(name, owner, spec, fence, ms)
  else
    name.value, name.left, name.holder = owner .. ' ' .. fence .. ' ' .. spec.ttl, ms, spec
    name.removed[owner] = true
  end
  return fence
end

-- Plans that a waiter is a holder, and the message to it; if the asking coordinator is its own, the reply says it instead.
local function planHandOver(name, owner, spec, asking)
  local isAskers = spec.channel == asking
  local silent = not isAskers and isSilent(spec.channel)
  local fence = grant(name, owner, spec, math.min(spec.ttl, spec.waiterTtl, silent and SILENT or LONGEST))
  name.grants = name.grants + 1
  if isAskers then
    add(name.inReply, owner, fence)
  elseif not silent then
    publish(spec.channel, cjson.encode({ name.lock, owner, fence }))
  end
end

-- The spec of a waiter that is alive; a dead one is removed. After the server's clock has stepped back its deadline is cut to
-- what asking now would give it.
local function waiterOf(name, owner)
  local spec = parseSpec(redis.call('HGET', name.specs, owner))
  if spec and spec.deadlineOrFence > now and spec.deadlineOrFence < FIRST then
    if spec.deadlineOrFence > now + spec.waiterTtl then await(name, owner, spec) end
    return spec
  end
  local score = spec and spec.deadlineOrFence >= FIRST and tonumber(redis.call('ZSCORE', name.claims, owner)) or 0
  if score > now and score < FIRST then -- a shared holder beside an exclusive one: a script that granted it has failed half-way
    name.sharers, name.beyond = name.sharers + 1, name.beyond + spec.permits - 1
  else
    name.removed[owner] = true
  end
end

-- Whether self comes before the owner at the head: none is there, it is self, or the ticket that self named is lower. That
-- ticket may not be in the queue any more.
local function isSelfsTurn(name, self, owner)
  return not owner or self.queued and owner == self.owner
    or self.ticket and self.ticket <= tonumber(redis.call('ZSCORE', name.claims, owner))
end

-- A waiter whose coordinator does not listen keeps its place, and is passed over.
return function(name, asking, self)
  local at = name.nonWaiters
  while not name.holder do
    local owner = at < name.count and redis.call('ZRANGE', name.claims, at .. '', at .. '')[1]
    if self and not self.fence and isSelfsTurn(name, self, owner) then
      if not fits(name, self.spec) then return end
      self.fence = grant(name, self.owner, self.spec, self.spec.ttl)
    elseif not owner then
      return
    else
      at = at + 1
      local spec = not name.removed[owner] and not (self and self.owner == owner) and waiterOf(name, owner)
      if spec and not fits(name, spec) then return end
      if spec and (spec.channel == asking or mayBeGranted(spec.channel)) then planHandOver(name, owner, spec, asking) end
    end
  end
end
