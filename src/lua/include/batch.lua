-- Runs a verb for each name of a call: what a coordinator sends in one tick travels in one call. KEYS begins with the keys
-- for all names; then, like ARGV, it is divided equally among the names. The arguments of a name are the verb, its own
-- arguments, and "" up to the common width. Each name has an answer of its own, which may be an error. An error that came
-- after a write begins with REDISYNC_UNFINISHED, because its outcome is unknown. The last parameter of a verb, "more", is
-- nil unless the verb was given too many arguments.
--include call: hasWritten, messages, now

-- The error of a verb that has failed: one of Redis, as a table or as text; or one of Lua, for values that are not ours.
local function failure(reason, code)
  local text = type(reason) == 'table' and reason.err or string.match(reason, '%u[%u_]+ .*')
  return { err = code .. (text or 'REDISYNC_CORRUPTED ' .. reason) }
end

-- verbOf: from the name of a verb to its function, or to nil. sharedKeys: how many keys are for all names.
local function batch(verbOf, sharedKeys, keysPerName)
  local names = (#KEYS - sharedKeys) / keysPerName
  local width = #ARGV / names
  if names < 1 or names % 1 ~= 0 or width < 1 or width % 1 ~= 0 then
    return redis.error_reply('REDISYNC_ARGUMENT KEYS and ARGV are as many for each name')
  end
  local answers = { now, nil } -- nil makes room for one answer
  for i = 0, names - 1 do
    local key, arg, messagesBefore = sharedKeys + keysPerName * i, width * i, #messages
    local verb, ok, reply = verbOf(ARGV[arg + 1]), true, nil
    hasWritten = false
    if verb then
      ok, reply = pcall(verb, KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], unpack(ARGV, arg + 2, arg + width))
    else
      reply = redis.error_reply('REDISYNC_ARGUMENT a verb comes first')
    end
    if not ok then
      for j = #messages, messagesBefore + 1, -1 do messages[j] = nil end
      reply = failure(reply, hasWritten and 'REDISYNC_UNFINISHED ' or '')
    end
    answers[i + 2] = reply
  end
  return answers
end
