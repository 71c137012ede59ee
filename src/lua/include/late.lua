-- The not-after of a verb: the ms of server time after which it must have no effect.
--include bounds: HIGHEST, whole
--include call: now
local bound, boundIsOver -- the last not-after that was compared; most names of a call have the same

-- Whether the call came after its not-after; nil if the not-after is no valid time.
local function isLate(notAfter)
  if notAfter == bound then return boundIsOver end
  local latest = whole(notAfter, 0, HIGHEST)
  if not latest then return nil end
  bound, boundIsOver = notAfter, now > latest
  return boundIsOver
end
