-- The clock of the server: the highest number that was ever drawn, for a ticket or for a fence. KEYS[1] keeps it.
-- A call reads it at most once, and writes it at most once: after the leases and before any grant is published, see lease.
--include bounds: HIGHEST, LOWEST_TICKET
--include call: call, micros
local MEMORY = 7200000 -- its expiry, in ms, plus the time by which it is ahead of the server's time
local SPELL = 1073741824 -- µs, some 18 minutes: the expiry is set once in each, because KEEPTTL takes half the time of PX
local stored, drawn, drawnText -- the number at KEYS[1], and the highest of this call; both once it is read

local function highest()
  if drawn then return drawn end
  local text = redis.pcall('GET', KEYS[1])
  if type(text) == 'table' then
    local isOther = string.find(text.err, 'WRONGTYPE', 1, true)
    error(isOther and redis.error_reply('REDISYNC_CORRUPTED the clock at ' .. KEYS[1] .. ' is no string') or text)
  end
  stored = tonumber(text) or 0
  if stored < 0 or stored > HIGHEST or stored % 1 ~= 0 then stored = 0 end -- an unreadable clock starts from the server's time
  drawn = stored
  return stored
end

-- The number that is drawn next. It is at least the time in µs, so that numbers rise also if the clock was lost. Ends the verb
-- with an error if there is no higher number any more.
local function upcoming()
  local number = highest()
  if number >= HIGHEST then error(redis.error_reply('REDISYNC_EXHAUSTED the clock has reached 2^53 - 1')) end
  if number < micros and micros >= LOWEST_TICKET then return micros end
  return math.max(number + 1, LOWEST_TICKET)
end

-- Draws the upcoming number, and returns it and its text.
local function draw()
  drawn = upcoming()
  drawnText = string.format('%d', drawn)
  return drawn, drawnText
end

local function keepClock()
  if drawn == stored then return end
  if stored > 0 and drawn - drawn % SPELL == stored - stored % SPELL then
    call('SET', KEYS[1], drawnText, 'KEEPTTL')
  else
    local lead = math.max(0, math.ceil((drawn - micros) / 1000))
    call('SET', KEYS[1], drawnText, 'PX', MEMORY + lead)
  end
end
