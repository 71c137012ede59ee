-- Plans changes to the claims on a name, in its table; commit writes them.
--include bounds
--include call
--include claims

-- Adds a pair to a list. Most lists have one pair, and a new list is quicker than one that grows.
local function add(list, first, second)
  if not list then return { first, second } end
  list[#list + 1], list[#list + 2] = first, second
  return list
end

-- Plans that the owner waits from now on, or goes on waiting.
local function await(name, owner, spec)
  name.fields = add(name.fields, owner, spec.asked .. ' ' .. (now + spec.waiterTtl))
  name.lasting = math.max(name.lasting, spec.waiterTtl)
  if name.removed[owner] then name.removed[owner] = nil end
end

-- Plans that the owner has a shared lease for ms from now, with this spec.
local function planShare(name, owner, text, ms)
  name.fields, name.scores = add(name.fields, owner, text), add(name.scores, now + ms, owner)
  name.lasting, name.soonest = math.max(name.lasting, ms), math.min(name.soonest or ms, ms)
  name.removed[owner] = nil
end

-- Plans that the owner becomes a shared holder.
local function admit(name, owner, spec, fence, ms)
  planShare(name, owner, spec.asked .. ' ' .. fence, ms)
  name.sharers, name.beyond = name.sharers + 1, name.beyond + spec.permits - 1
end

-- Plans that a shared holder goes on, with this ttl in its spec.
local function prolong(name, owner, spec, ttl, over)
  local asked = string.gsub(spec.asked, '^(%a %d+ %d+) %d+', '%1 ' .. ttl)
  planShare(name, owner, asked .. ' ' .. digits(spec.deadlineOrFence) .. over, ttl)
end

-- Plans that a shared holder leaves. The write that frees its permits sets its score to LEFT; a later write removes it.
local function leave(name, owner, spec)
  if spec.permits > 1 then name.scores = add(name.scores, LEFT, owner) end
  name.sharers, name.beyond = name.sharers - 1, math.max(0, name.beyond - spec.permits + 1)
  name.removed[owner] = true
end
