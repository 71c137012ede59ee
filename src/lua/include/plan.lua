-- Changes to the claims on a name, planned in its table: commit writes them.
--include claims

-- The owner waits from now on, or goes on waiting.
local function await(name, owner, spec)
  local fields = name.fields
  fields[#fields + 1], fields[#fields + 2] = owner, spec.asked .. ' ' .. name.now + spec.waiterTtl
  name.lasting = math.max(name.lasting, spec.waiterTtl)
  name.gone[owner] = nil
end

-- The owner has a shared lease for ms from now, with a spec that says so.
local function share(name, owner, text, ms)
  local fields, scores = name.fields, name.scores
  fields[#fields + 1], fields[#fields + 2] = owner, text
  scores[#scores + 1], scores[#scores + 2] = name.now + ms, owner
  name.lasting, name.soonest = math.max(name.lasting, ms), math.min(name.soonest or ms, ms)
  name.gone[owner] = nil
end

-- The owner becomes a shared holder.
local function admit(name, owner, spec, fence, ms)
  share(name, owner, spec.asked .. ' ' .. fence, ms)
  name.sharers, name.beyond = name.sharers + 1, name.beyond + spec.permits - 1
end

-- A shared holder goes on, with another ttl in its spec.
local function goOn(name, owner, spec, ttl, over)
  local asked = string.gsub(spec.asked, '^(%a %d+ %d+) %d+', '%1 ' .. ttl)
  share(name, owner, asked .. ' ' .. string.format('%d', spec.last) .. over, ttl)
end

-- A shared holder goes. The same write tells of its permits and of itself.
local function leave(name, owner, spec)
  local scores = name.scores
  if spec.permits > 1 then scores[#scores + 1], scores[#scores + 2] = LEFT, owner end
  name.sharers, name.beyond = name.sharers - 1, math.max(0, name.beyond - spec.permits + 1)
  name.gone[owner] = true
end
