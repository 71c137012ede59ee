-- Plans changes to the claims on a name, in its state; commit writes them.
--include call: now
--include claims: add, depart

-- Plans that the owner waits from now on, or goes on waiting.
local function await(state, owner, spec)
  state.fields = add(state.fields, owner, spec.asked .. ' ' .. (now + spec.waiterTtl))
  state.neededMs = math.max(state.neededMs, spec.waiterTtl)
  state.toRemove[owner] = nil
end

-- Plans that the owner has a shared lease for ms from now, with this spec.
local function planShare(state, owner, text, ms)
  state.fields, state.scores = add(state.fields, owner, text), add(state.scores, now + ms, owner)
  state.neededMs, state.shortestMs = math.max(state.neededMs, ms), math.min(state.shortestMs or ms, ms)
  state.toRemove[owner] = nil
end

-- Plans that the owner becomes a shared holder.
local function admit(state, owner, spec, fence, ms)
  planShare(state, owner, spec.asked .. ' ' .. fence, ms)
  state.sharers, state.extraPermits = state.sharers + 1, state.extraPermits + spec.permits - 1
end

-- Plans that a shared holder goes on for a new ttl. The rest of its spec stays as it was when it was granted.
local function prolong(state, owner, claim, ttl, over)
  local asked = string.gsub(claim.asked, '^(%a %d+ %d+) %d+', '%1 ' .. ttl)
  planShare(state, owner, asked .. ' ' .. claim.fence .. over, ttl)
end

-- Plans that a shared holder leaves.
local function leave(state, owner, claim)
  state.sharers = state.sharers - 1
  depart(state, owner, claim.permits)
end
