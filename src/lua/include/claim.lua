-- Writes one claim, for the short ways: see contended. The verbs in full plan it: see plan and commit.
--include call: call, hasWritten
--include expire: expire

-- Writes the spec and the score of an owner's claim, which lasts for ms; without a score that stays as it is. If the claim is to
-- be a new one, and the owner has a spec already, it returns false and has written nothing.
local function putClaim(count, claimsKey, specsKey, owner, text, score, ms, isNew)
  local left = count > 0 and call('PTTL', specsKey) or -2
  if isNew and call('HSETNX', specsKey, owner, text) == 0 then return false end
  if not isNew then call('HSET', specsKey, owner, text) end
  hasWritten = true
  if left < ms then expire(specsKey, ms, left == -2) end
  if score then call('ZADD', claimsKey, score, owner) end
  if left < ms then expire(claimsKey, ms, count == 0) end
  return true
end
