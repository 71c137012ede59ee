-- What there is to do once a lock is not free, defined where it is needed, since that takes time at every call. What is
-- usual goes by short ways, which answer, write and tell as the verbs in full do: a spec holds the two against each other.
-- KEYS   see lease
-- Reply  see acquire, release, share, raise
--include expire
--include listen

local known, define = {}, nil
return function(way)
  if known[way] then
    return known[way]
  elseif way == 'join' then
    known[way] = (function()
--embed join
    end)()
  elseif way == 'handover' then
    known[way] = (function()
--embed handover
    end)()
  elseif way == 'joinshared' or way == 'passon' then
    known.joinshared, known.passon = (function()
--embed sharing
    end)()
  else
    define = define or (function()
--embed full
    end)()
    known[way] = define(way)
  end
  return known[way]
end
