-- The full verbs, for all states of a name: contended runs one if its shorter verb does not apply.
-- KEYS   see lease
-- Reply  see each
--include claims
--include commit
--include fence
--include holder
--include plan
--include settle

-- The functions of a verb are defined only when it runs, because defining them takes time in every call.
local function define(verb)
  if verb == 'acquire' then
--embed acquire
  elseif verb == 'release' then
--embed release
  elseif verb == 'share' then
--embed share
  else
--embed raise
  end
end

local known = {}
return function(verb)
  known[verb] = known[verb] or define(verb)
  return known[verb]
end
