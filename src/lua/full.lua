-- The verbs in full: see contended, which asks for one where nothing shorter does.
-- KEYS   see lease
-- Reply  see each
--include claims
--include commit
--include fence
--include holder
--include plan
--include settle

-- Each verb's functions are defined where it runs, since that takes time at every call.
return function(verb)
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
