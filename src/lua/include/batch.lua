-- Runs a verb for each of the names that it was called with: what is sent in one tick travels in one call.
-- Each name has five KEYS and its share of ARGV: the verb, what that takes, and "" for the width of the others.
-- Each has an answer of its own, which may be an error.
-- Reply  { server time in ms, answer … }
local HIGHEST = 9007199254740991 -- 2^53 - 1, the largest safe integer
local LONGEST = 2147483647 -- 2^31 - 1: the most ms, permits and limit

-- The whole number that a text tells, if it is within the bounds.
local function whole(text, least, most)
  local number = tonumber(text)
  return number and number >= least and number <= most and number % 1 == 0 and number or nil
end

local function refused(code, why)
  return redis.error_reply('REDISYNC_' .. code .. ' ' .. why)
end

local width = #ARGV * 5 / #KEYS
if #KEYS % 5 ~= 0 or width % 1 ~= 0 then return refused('ARGUMENT', 'KEYS are five a name, ARGV as many for each') end
local clock = redis.call('TIME')
local micros = clock[1] * 1000000 + clock[2]
local now = math.floor(micros / 1000)
--verbs
local answers = { now }
for i = 0, #KEYS / 5 - 1 do
  local key, arg = 5 * i, width * i
  local verb, ok, reply = ARGV[arg + 1]
  local run = --choice
  if run then
    ok, reply = pcall(run, KEYS[key + 1], KEYS[key + 2], KEYS[key + 3], KEYS[key + 4], KEYS[key + 5],
      unpack(ARGV, arg + 2, arg + width))
  else
    reply = refused('ARGUMENT', 'a verb comes first')
  end
  if not ok and type(reply) ~= 'table' then -- Redis's own, or Lua's of values that are none of ours
    reply = { err = string.match(reply, '%u%u+ .*') or 'REDISYNC_CORRUPTED ' .. reply }
  end
  answers[i + 2] = reply
end
return answers
