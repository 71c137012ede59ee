-- All verbs that may change who holds a name, for many names in one call. Everything is written first, the clock last; only
-- then are grants published. Lines of --include and --embed stand for files: embed.ts puts them in.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   of each name a verb and what that takes: acquire, release, share, raise
-- Reply  { server time in ms, answer … }
--include batch: batch, failure
--include call: messages
--include clock: keepClock
--include fast: verbOf
local answers = batch(verbOf, 1, 3)
local saved, reason = pcall(keepClock)
if not saved then
  local unfinished = failure(reason, 'REDISYNC_UNFINISHED ')
  for i = 2, #answers do -- what failed by itself has written nothing that needs the clock, or is UNFINISHED already
    if type(answers[i]) ~= 'table' or not answers[i].err then answers[i] = unfinished end
  end
  return answers
end
if #messages > 0 then
  local replicate = redis.set_repl or function() end -- servers that only resemble Redis may lack it
  replicate(redis.REPL_NONE) -- listeners of a replica must not receive it, too
  for i = 1, #messages do redis.pcall(unpack(messages[i])) end
  replicate(redis.REPL_ALL)
end
return answers
