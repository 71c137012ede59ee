-- The not-after of a verb: the ms of server time after which it must have no effect.
--include bounds: HIGHEST, whole
--include call: now
local lastNotAfter, lastIsLate -- what was compared last, and its result: most names of a call have the same not-after

-- Whether the call came after its not-after; nil if the not-after is no valid time.
local function isLate(notAfter)
  if notAfter == lastNotAfter then return lastIsLate end
  local latest = whole(notAfter, 0, HIGHEST)
  if not latest then return nil end
  lastNotAfter, lastIsLate = notAfter, now > latest
  return lastIsLate
end
