-- Writes and removes one claim, for the short ways: see contended. The verbs in full plan it: see plan and commit.
--include call
--include expire

-- Writes a claim of the owner, which lasts for that many ms.
local function put(count, claimsKey, specsKey, owner, text, score, ms)
  local left = count > 0 and redis.call('PTTL', specsKey) or -2
  write('HSET', specsKey, owner, text)
  if left < ms then expire(specsKey, ms, left == -2) end
  write('ZADD', claimsKey, score, owner)
  if left < ms then expire(claimsKey, ms, count == 0) end
end

-- Removes one of the "count" claims. With the last one both keys are deleted.
local function drop(count, claimsKey, specsKey, owner)
  if count > 1 then
    write('ZREM', claimsKey, owner)
    write('HDEL', specsKey, owner)
  else
    write('DEL', claimsKey)
    write('DEL', specsKey)
  end
end
