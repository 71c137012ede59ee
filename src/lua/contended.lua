-- Returns the function for what a verb does when the lock is not free: a short way; or, for "full", the one that returns a verb.
-- Each is defined when it is first needed, because Redis runs the whole script anew for every call, and each function that it
-- defines takes time. The usual states of a name have short ways: they answer, write and publish exactly as the full verbs would.
-- In any other state a short way returns nil and has written nothing, and the full verb runs. spec/store/short-ways.spec.ts
-- compares the two in random histories.
-- KEYS   see lease
-- Reply  see acquire, release, share, raise
--include listen
--include parts

local way = ...
if way == 'pass' then
--embed pass
end

--include claim
if way == 'join' then
--embed join
elseif way == 'passon' then
--embed passon
end

--embed full
