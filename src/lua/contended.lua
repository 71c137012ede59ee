-- What a verb does when the lock is not free. Each part is defined when it is first needed, because Redis runs the whole
-- script anew for every call, and each function that it defines takes time. The usual states of a name have short ways: they
-- answer, write and publish exactly as the full verbs would. In any other state a short way returns nil and has written
-- nothing, and the full verb runs. spec/store/short-ways.spec.ts compares the two in random histories.
-- KEYS   see lease
-- Reply  see acquire, release, share, raise
--include claim
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
