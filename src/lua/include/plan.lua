-- Changes to the claims on a name, planned in its table: commit writes them.
--include bounds
--include call
--include claims

-- A list of pairs with one more. Most have one pair, and a new list is quicker than one that grows.
local function add(list, first, second)
  if not list then return { first, second } end
  list[#list + 1], list[#list + 2] = first, second
  return list
end

-- The owner waits from now on, or goes on waiting.
local function await(name, owner, spec)
  name.fields = add(name.fields, owner, spec.asked .. ' ' .. (now + spec.waiterTtl))
  name.lasting = math.max(name.lasting, spec.waiterTtl)
  if name.gone[owner] then name.gone[owner] = nil end
end

-- The owner has a shared lease for ms from now, with a spec that says so.
local function planShare(name, owner, text, ms)
  name.fields, name.scores = add(name.fields, owner, text), add(name.scores, now + ms, owner)
  name.lasting, name.soonest = math.max(name.lasting, ms), math.min(name.soonest or ms, ms)
  name.gone[owner] = nil
end

-- The owner becomes a shared holder.
local function admit(name, owner, spec, fence, ms)
  planShare(name, owner, spec.asked .. ' ' .. fence, ms)
  name.sharers, name.beyond = name.sharers + 1, name.beyond + spec.permits - 1
end

-- A shared holder goes on, with another ttl in its spec.
local function goOn(name, owner, spec, ttl, over)
  local asked = string.gsub(spec.asked, '^(%a %d+ %d+) %d+', '%1 ' .. ttl)
  planShare(name, owner, asked .. ' ' .. digits(spec.deadlineOrFence) .. over, ttl)
end

-- A shared holder goes. Its score is LEFT in the write that tells of its permits, until it goes itself.
local function leave(name, owner, spec)
  if spec.permits > 1 then name.scores = add(name.scores, LEFT, owner) end
  name.sharers, name.beyond = name.sharers - 1, math.max(0, name.beyond - spec.permits + 1)
  name.gone[owner] = true
end
