-- What settle needs to grant, once no exclusive holder is in the way.
--include bounds: HIGHEST, LARGEST, LOWEST_TICKET
--include call: now
--include clock: draw, highest
--include listen: listensYet, mayBeGranted, publish, UNTOLD
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

-- Plans that a waiter is a holder, and the message to it; if the asking coordinator is its own, the reply says it instead.
local function planHandOver(state, owner, spec, asking)
  local isAskers = spec.channel == asking
  local isTold = isAskers or listensYet(spec.channel)
  local fence = grant(state, owner, spec, math.min(spec.ttl, spec.waiterTtl, isTold and LARGEST or UNTOLD))
  state.grants = state.grants + 1
  if isAskers then
    add(state.inReply, owner, fence)
  elseif isTold then
    publish(spec.channel, cjson.encode({ state.lockKey, owner, fence }))
  end
end

-- The spec of a waiter that is alive; a dead one is removed. After the server's clock has stepped back its deadline is cut to
-- what asking now would give it.
local function waiterOf(state, owner)
  local spec = parseSpec(redis.call('HGET', state.specsKey, owner))
  if spec and spec.deadline > now then
    if spec.deadline > now + spec.waiterTtl then await(state, owner, spec) end
    return spec
  end
  local score = spec and spec.fence and tonumber(redis.call('ZSCORE', state.claimsKey, owner)) or 0
  if score > now and score < LOWEST_TICKET then -- a shared holder beside an exclusive one: see claimOf
    state.sharers, state.beyond = state.sharers + 1, state.beyond + spec.permits - 1
  else
    state.removed[owner] = true
  end
end

-- Whether self comes before the owner at the head: none is there, it is self, or the ticket of self is lower. A ticket that
-- self only names may not be in the queue any more.
local function isSelfsTurn(state, self, owner)
  if not owner or owner == self.owner and self.storedTicket then return true end
  return self.ticket and self.ticket <= tonumber(redis.call('ZSCORE', state.claimsKey, owner))
end

-- A waiter whose coordinator does not listen keeps its place, and is passed over.
return function(state, asking, self)
  local at = state.nonWaiters
  while not state.holder do
    local owner = at < state.count and redis.call('ZRANGE', state.claimsKey, at .. '', at .. '')[1]
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
      if spec and (spec.channel == asking or mayBeGranted(spec.channel)) then planHandOver(state, owner, spec, asking) end
    end
  end
end
