-- The clock of the server: the highest number that was ever drawn, for a ticket or for a fence. KEYS[1] keeps it.
-- It is read at most once a call and written at most once, behind what it numbers and before anybody is told: see lease.
--include bounds
--include call
local MEMORY = 7200000 -- ms for which it is kept, beyond its lead on the server's time
local SPELL = 1073741824 -- µs, some 18 minutes, for which its expiry stays as it is
local clock = { micros = call.micros } -- kept: the number at KEYS[1]; drawn: the highest of this call; both once it is read

function clock.highest(clock)
  if clock.drawn then return clock.drawn end
  local text = redis.pcall('GET', KEYS[1])
  if type(text) == 'table' and string.find(text.err, 'WRONGTYPE', 1, true) then
    error(redis.error_reply('REDISYNC_CORRUPTED the clock at ' .. KEYS[1] .. ' is no string'))
  elseif type(text) == 'table' then
    error(text)
  end
  clock.kept = tonumber(text) or 0
  if clock.kept < 0 or clock.kept > HIGHEST or clock.kept % 1 ~= 0 then clock.kept = 0 end -- then it starts from the time
  clock.drawn = clock.kept
  return clock.drawn
end

-- The number that is drawn next. It keeps up with the time, so that it rises where the clock was forgotten.
function clock.upcoming(clock)
  local highest = clock:highest()
  if highest >= HIGHEST then error(redis.error_reply('REDISYNC_EXHAUSTED the clock has reached 2^53 - 1')) end
  return math.max(highest + 1, clock.micros, FIRST)
end

function clock.draw(clock)
  clock.drawn = clock:upcoming()
  return clock.drawn
end

function clock.keep(clock)
  local drawn, kept = clock.drawn, clock.kept
  if drawn == kept then return end
  if kept > 0 and math.floor(drawn / SPELL) == math.floor(kept / SPELL) then
    redis.call('SET', KEYS[1], string.format('%d', drawn), 'KEEPTTL')
  else
    local lead = math.max(0, math.ceil((drawn - clock.micros) / 1000))
    redis.call('SET', KEYS[1], string.format('%d', drawn), 'PX', MEMORY + lead)
  end
end
