-- The not-after of a call: the server's time, in ms, behind which it has no effect.
--include bounds
--include call
local bound, boundIsOver -- what was asked last: it is the same for most names of a call

-- Whether a call comes too late; nil where its not-after is no such time.
local function isLate(notAfter)
  if notAfter == bound then return boundIsOver end
  local latest = whole(notAfter, 0, HIGHEST)
  if not latest then return nil end
  bound, boundIsOver = notAfter, now > latest
  return boundIsOver
end
