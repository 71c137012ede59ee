-- The claims on a name: of shared holders and of waiters. (The exclusive holder is in the value of the lock.)
-- claims  ZSET  owner -> of a shared holder the ms at which it lapses; of a waiter its ticket, which is FIRST at least
--               '' -> -(permits in use beyond one for each shared holder), where there are such
-- specs   HASH  owner -> "mode permits limit ttl waiterTtl channel", as it asked, and behind that of a shared holder its
--               fence, and " over" as in holder; of a waiter the ms at which it is dead unless it asks again before
-- mode is x or s, limit 0 for none. The channel is that of the owner's coordinator: see listen.
--include bounds
--include call
local LEFT = 0 -- the score of a shared holder whose permits are free again

-- Parses a spec, requested or stored; nil if it is none. "deadlineOrFence" is the number behind it, 0 if there is none: of
-- a waiter the deadline, below FIRST; of a shared holder its fence. So a fence beside a waiter's score, or the other way
-- round, shows that a call failed half-way.
local function parseSpec(text)
  local asked, mode, permits, limit, ttl, waiterTtl, channel, number, over = string.match(text or '', SPEC)
  number = number == '' and 0 or tonumber(number)
  if not mode or not number or number > HIGHEST or over ~= '' and over ~= ' over' then return nil end
  permits, limit, ttl, waiterTtl = tonumber(permits), tonumber(limit), tonumber(ttl), tonumber(waiterTtl)
  if math.max(permits, limit, ttl, waiterTtl) > LONGEST or limit > 0 and permits > limit then return nil end
  return {
    asked = asked, mode = mode, permits = permits, limit = limit, ttl = ttl, waiterTtl = waiterTtl,
    channel = channel, deadlineOrFence = number, over = over ~= '',
  }
end

-- The table of a name: its keys, what there is, and what is planned:
--   holder, sharers, beyond            what holds: loadName; grants and leaves change it as they are planned
--   count, claimed                     of the claims: loadName, claimOf (whether the owner has one, also a lapsed one)
--   value, left, dropLock, shortenTo   of the lock: queue, raise, release, share, lapse, for commit
--   fields, scores, lasting            of specs and claims, and for how many ms those last: plan, lapse, raise, for commit
--   removed                            the owners that go: loadName (lapsed), plan, queue, acquire, release, for commit
--   nonWaiters, lapsed, storedBeyond   what loadName has read; a break sets storedBeyond, too
--   soonest                            ms for which the shortest planned share lasts: plan, for lapse
--   grants, inReply                    queue, for the reply
-- "beyond": two holders of 3 and 1 permits have 2 beyond one for each. "over": released, but kept until its ttl ends, because
-- of a minHold. The first "nonWaiters" of its "count" claims do not wait: '', then "lapsed" shared holders ('' is counted with
-- them), then "sharers". Beside an exclusive holder they are not counted: see claimOf.
local function loadName(lockKey, claimsKey, specsKey, count, holder)
  local name = {
    lock = lockKey, claims = claimsKey, specs = specsKey, count = count, holder = holder,
    nonWaiters = 0, lapsed = 0, sharers = 0,
    beyond = 0, storedBeyond = 0, -- permits in use, but for one for each sharer: as they are now, and as '' says
    removed = {}, inReply = {}, lasting = 0, grants = 0,
  }
  if count > 0 and not holder then name.nonWaiters = redis.call('ZCOUNT', claimsKey, '-inf', BELOW) end
  if name.nonWaiters == 0 then return name end
  local lapsed = redis.call('ZRANGEBYSCORE', claimsKey, '-inf', now, 'WITHSCORES') -- '' is below all times
  name.sharers, name.lapsed = name.nonWaiters - #lapsed / 2, #lapsed / 2
  if lapsed[1] == '' then name.storedBeyond = math.max(1, math.min(-lapsed[2], HIGHEST)) end
  name.beyond = name.sharers > 0 and name.storedBeyond or 0
  for i = name.storedBeyond > 0 and 3 or 1, #lapsed, 2 do
    local spec = parseSpec(redis.call('HGET', specsKey, lapsed[i]))
    if spec and tonumber(lapsed[i + 1]) > LEFT then name.beyond = math.max(0, name.beyond - spec.permits + 1) end
    name.removed[lapsed[i]] = true
  end
  return name
end

-- The claim of an owner, who is never '': each verb refuses that, or breaks the name. It is the owner's
-- spec, with "shares" for a shared holder or "queued" for a waiter; nil if it has lapsed or is none.
local function claimOf(name, owner)
  local score = name.count > 0 and redis.call('ZSCORE', name.claims, owner)
  name.claimed = score and true -- true also for a claim that has lapsed
  if not score then return nil end
  local spec = parseSpec(redis.call('HGET', name.specs, owner))
  score = tonumber(score)
  if score <= now then return nil end
  -- Beside an exclusive holder stands a shared lease where a plain client has set the lock, because it looks at no claims, or
  -- where the release that handed it over has failed half-way. Its fence shows it.
  if score < FIRST and (not name.holder or spec and spec.deadlineOrFence >= FIRST) then
    if not spec or spec.deadlineOrFence < FIRST then
      error(redis.error_reply('REDISYNC_CORRUPTED the spec of a shared lease is unreadable'))
    end
    spec.shares = true
    return spec
  end
  if not spec or spec.deadlineOrFence <= now or spec.deadlineOrFence >= FIRST then return nil end
  spec.queued = whole(score, FIRST, SENDABLE) -- its ticket
  return spec.queued and spec
end
