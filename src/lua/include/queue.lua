-- What settle needs to grant, once no exclusive holder is in the way.
--include bounds: HIGHEST, LARGEST
--include call: call, now
--include clock: draw, highest
--include listen: publish, tellingOf, UNTOLD
--include parse: parseSpec
--include plan: add, admit, await
--include spec: hasRoom

-- Whether a request can be granted now, while nobody holds exclusively.
local function fits(state, spec)
  return highest() < HIGHEST and hasRoom(spec.mode, spec.permits, spec.limit, state.sharers + state.beyond)
end

-- Plans that the owner is a holder for ms from now, and returns its fence.
local function grant(state, owner, spec, ms)
  local _, fence = draw()
  if spec.mode == 's' then
    admit(state, owner, spec, fence, ms)
  else
    state.lockValue, state.lockMs, state.holder = owner .. ' ' .. fence .. ' ' .. spec.ttl, ms, spec
    state.removed[owner] = true
  end
  return fence
end

-- Plans that a waiter is a holder, and that it is told so: in the reply, or by a message.
local function planHandOver(state, owner, spec, telling)
  local fence = grant(state, owner, spec, math.min(spec.ttl, spec.waiterTtl, telling == 'later' and UNTOLD or LARGEST))
  state.grants = state.grants + 1
  if telling == 'reply' then
    add(state.inReply, owner, fence)
  elseif telling ~= 'later' then
    publish(telling, spec.channel, cjson.encode({ state.lockKey, owner, fence }))
  end
end

-- The spec of a waiter that is alive; a dead one is removed. After the server's clock has stepped back its deadline is cut to
-- what asking now would give it.
local function waiterOf(state, owner)
  local spec = parseSpec(call('HGET', state.specsKey, owner))
  if spec and spec.deadline > now then
    if spec.deadline > now + spec.waiterTtl then await(state, owner, spec) end
    return spec
  end
  state.removed[owner] = true
end

-- Whether self comes before the owner at the head: none is there, it is self, or the ticket of self is lower. A ticket that
-- self only names may not be in the queue any more.
local function isSelfsTurn(state, self, owner)
  if not owner or owner == self.owner and self.storedTicket then return true end
  return self.ticket and self.ticket <= tonumber(call('ZSCORE', state.claimsKey, owner))
end

-- A waiter whose coordinator does not listen keeps its place, and is passed over.
return function(state, asking, self)
  local at = state.nonWaiters
  while not state.holder do
    local owner = at < state.count and call('ZRANGE', state.claimsKey, at .. '', at .. '')[1]
    if self and not self.fence and isSelfsTurn(state, self, owner) then
      if not fits(state, self.spec) then return end
      self.fence = grant(state, self.owner, self.spec, self.spec.ttl)
    elseif not owner then
      return
    else
      at = at + 1
      local isOther = not state.removed[owner] and not (self and self.owner == owner)
      local spec = isOther and waiterOf(state, owner)
      if spec and not fits(state, spec) then return end
      local telling = spec and tellingOf(spec.channel, asking)
      if telling then planHandOver(state, owner, spec, telling) end
    end
  end
end
