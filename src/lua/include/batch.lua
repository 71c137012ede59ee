-- Runs a verb for each of the names that a script is called with: what is sent in one tick travels in one call.
-- A name has its share of KEYS, behind those that are for all, and its share of ARGV: the verb, what that takes, and ""
-- up to the width of the others. It has an answer of its own, which may be an error; one that comes behind a write begins
-- with REDISYNC_UNFINISHED, for its outcome is unknown. A verb that takes the most is never widened: "more" is nil there.
--include bounds
--include call

-- What ends a verb: an error of Redis's, as a table or as a text, or one of Lua's, where values are none of ours.
local function failure(reason, code)
  local text = type(reason) == 'table' and reason.err or string.match(reason, '%u[%u_]+ .*')
  return { err = code .. (text or 'REDISYNC_CORRUPTED ' .. reason) }
end

local function batch(verbs, shared, each)
  local names = (#KEYS - shared) / each
  local width = #ARGV / names
  if names < 1 or names % 1 ~= 0 or width < 1 or width % 1 ~= 0 then
    return redis.error_reply('REDISYNC_ARGUMENT KEYS and ARGV are as many for each name')
  end
  local answers = { now }
  for i = 0, names - 1 do
    local key, arg, sent = shared + each * i, width * i, #messages
    local verb, ok, reply = verbs[ARGV[arg + 1]], true, nil
    dirty = false
    if verb then
      ok, reply = pcall(verb, KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], unpack(ARGV, arg + 2, arg + width))
    else
      reply = redis.error_reply('REDISYNC_ARGUMENT a verb comes first')
    end
    if not ok then
      for j = #messages, sent + 1, -1 do messages[j] = nil end
      reply = failure(reply, dirty and 'REDISYNC_UNFINISHED ' or '')
    end
    answers[i + 2] = reply
  end
  return answers
end
