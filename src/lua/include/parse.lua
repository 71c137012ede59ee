-- Parses specs, for the verbs in full and inspect.
--include bounds: HIGHEST, LARGEST, LOWEST_TICKET
--include spec: SPEC

-- Parses a spec; nil if the text is none. "asked" is the text as it was requested. The number behind that is a fence if it is
-- LOWEST_TICKET at least. Without one, "fence" is nil. "deadline" is 0 where there is none.
local function parseSpec(text)
  local mode, permits, limit, ttl, waiterTtl, channel, last, over = string.match(text or '', SPEC)
  local number = last == '' and 0 or tonumber(last)
  if not number or number > HIGHEST or over ~= '' and over ~= ' over' then return nil end
  permits, limit, ttl, waiterTtl = tonumber(permits), tonumber(limit), tonumber(ttl), tonumber(waiterTtl)
  if math.max(permits, limit, ttl, waiterTtl) > LARGEST or limit > 0 and permits > limit then return nil end
  local isFence = number >= LOWEST_TICKET
  return {
    asked = string.sub(text, 1, #text - #last - #over),
    mode = mode, permits = permits, limit = limit, ttl = ttl, waiterTtl = waiterTtl, channel = channel,
    fence = isFence and string.format('%d', number) or nil, deadline = isFence and 0 or number, heldOver = over ~= '',
  }
end
