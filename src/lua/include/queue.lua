-- What settle needs to grant, once no exclusive holder is in the way.
--include bounds: HIGHEST, LARGEST
--include call: call, now
--include clock: draw, highest
--include listen: tellingOf, UNTOLD
--include parse: parseSpec
--include plan: admit, await
--include spec: hasRoom
--include tell: tell

-- Whether a request can be granted now, while nobody holds exclusively.
local function fits(state, spec)
  return highest() < HIGHEST and hasRoom(spec.mode, spec.permits, spec.limit, state.sharers + state.extraPermits)
end

-- Plans that the owner is a holder for ms from now, and returns its fence.
local function grant(state, owner, spec, ms)
  local _, fence = draw()
  if spec.mode == 's' then
    admit(state, owner, spec, fence, ms)
  else
    state.lockValue, state.lockMs, state.holder = owner .. ' ' .. fence .. ' ' .. spec.ttl, ms, spec
    state.toRemove[owner] = true
  end
  return fence
end

-- Plans that a waiter is a holder, and that it is told so.
local function planHandOff(state, owner, spec, telling)
  local fence = grant(state, owner, spec, math.min(spec.ttl, spec.waiterTtl, telling == 'later' and UNTOLD or LARGEST))
  state.grants = state.grants + 1
  tell(state, owner, spec.channel, fence, telling)
end

-- The spec of a waiter that is alive; a dead one is removed. After the server's clock has stepped back its deadline is cut to
-- what asking now would give it.
local function waiterOf(state, owner)
  local spec = parseSpec(call('HGET', state.specsKey, owner))
  if spec and spec.deadline > now then
    if spec.deadline > now + spec.waiterTtl then await(state, owner, spec) end
    return spec
  end
  state.toRemove[owner] = true
end

-- Whether the asker comes before the owner at the head: nobody is there, it is the asker, or the ticket of the asker is lower.
-- A ticket that the asker only names may not be in the queue any more.
local function isAskersTurn(state, asker, owner)
  if not owner or owner == asker.owner and asker.storedTicket then return true end
  return asker.ticket and asker.ticket <= tonumber(call('ZSCORE', state.claimsKey, owner))
end

-- A waiter whose coordinator does not listen keeps its place, and is passed over.
return function(state, askingChannel, asker)
  local at = state.nonWaiters
  while not state.holder do
    local owner = at < state.count and call('ZRANGE', state.claimsKey, at .. '', at .. '')[1]
    if asker and not asker.fence and isAskersTurn(state, asker, owner) then
      if not fits(state, asker.spec) then return end
      asker.fence = grant(state, asker.owner, asker.spec, asker.spec.ttl)
    elseif not owner then
      return
    else
      at = at + 1
      local isOther = not state.toRemove[owner] and not (asker and asker.owner == owner)
      local spec = isOther and waiterOf(state, owner)
      if spec and not fits(state, spec) then return end
      local telling = spec and tellingOf(spec.channel, askingChannel)
      if telling then planHandOff(state, owner, spec, telling) end
    end
  end
end
