-- Runs a script's body for each of the names that it was called with: what is sent in one tick travels in one call.
-- Each name has five KEYS and its share of ARGV, and an answer of its own, which may be an error.
local function answer(KEYS, ARGV)
--body
end
local width = #ARGV * 5 / #KEYS
local answers = {}
for i = 0, #KEYS / 5 - 1 do
  local keys, args = { unpack(KEYS, 5 * i + 1, 5 * i + 5) }, { unpack(ARGV, width * i + 1, width * (i + 1)) }
  local ok, reply = pcall(answer, keys, args)
  if not ok and type(reply) ~= 'table' then reply = { err = string.match(reply, '%u%u+ .*') or reply } end
  answers[i + 1] = reply
end
return answers
