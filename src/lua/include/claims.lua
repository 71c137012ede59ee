-- The claims on a name: of shared holders and of waiters. (The exclusive holder is in the value of the lock.)
-- claims  ZSET  owner -> of a shared holder the ms at which it lapses; of a waiter its ticket, which is LOWEST_TICKET at least
--               '' -> -(permits in use beyond one for each shared holder), where there are such
-- specs   HASH  owner -> its spec: see spec
-- A fence in the spec of a waiter, or a deadline in that of a shared holder, shows that a call failed half-way.
--include bounds: BELOW_TICKETS, HIGHEST, LOWEST_TICKET, SENDABLE, whole
--include call: call, now
--include parse: parseSpec
local DEPARTED = 0 -- the score of a shared holder whose permits are free again

-- The state of a name: its three keys, what there is, and what is planned, which commit writes. Who sets it:
--   holder, sharers, beyond           what holds: loadState; grants and leaves change it as they are planned
--   count, claimed                    of the claims: loadState, claimOf (whether the owner has one, also a lapsed one)
--   nonWaiters, lapsed, storedBeyond  what loadState has read
--   lockValue, lockMs                 the lock as it will be, and for how many ms: queue, raise
--   dropLock, cutLockTo               or that it goes: release, share; or the ms to which it is cut: lapse
--   fields, scores, lasting           to be added to specs and claims, and for how many ms: plan, lapse, raise
--   removed                           the owners whose claims go: loadState (lapsed), plan, queue, acquire, release
--   soonest                           ms for which the shortest planned share lasts: plan, for lapse
--   grants, inReply                   how many were granted, and those that the reply tells: queue, for the reply
-- "beyond": two holders of 3 and 1 permits have 2 beyond one for each. "over": released, but kept until its ttl ends, because
-- of a minHold. The first "nonWaiters" of its "count" claims do not wait: '', then "lapsed" shared holders ('' is counted with
-- them), then "sharers", of which there may be some beside an exclusive holder: see claimOf.
local function loadState(lockKey, claimsKey, specsKey, count, holder)
  local state = {
    lockKey = lockKey, claimsKey = claimsKey, specsKey = specsKey, count = count, holder = holder,
    nonWaiters = 0, lapsed = 0, sharers = 0,
    beyond = 0, storedBeyond = 0, -- as it is now, and as '' says
    removed = {}, inReply = {}, lasting = 0, grants = 0,
  }
  if count > 0 then state.nonWaiters = call('ZCOUNT', claimsKey, '-inf', BELOW_TICKETS) end
  if state.nonWaiters == 0 then return state end
  local lapsed = call('ZRANGEBYSCORE', claimsKey, '-inf', now, 'WITHSCORES') -- '' is below all times
  state.sharers, state.lapsed = state.nonWaiters - #lapsed / 2, #lapsed / 2
  if lapsed[1] == '' then state.storedBeyond, state.removed[''] = math.max(0, math.min(-lapsed[2], HIGHEST)), true end
  state.beyond = state.sharers > 0 and state.storedBeyond or 0
  for i = state.removed[''] and 3 or 1, #lapsed, 2 do
    local spec = parseSpec(call('HGET', specsKey, lapsed[i]))
    if spec and tonumber(lapsed[i + 1]) > DEPARTED then state.beyond = math.max(0, state.beyond - spec.permits + 1) end
    state.removed[lapsed[i]] = true
  end
  return state
end

-- The claim of an owner, who is never '': each verb refuses that, or breaks the name. It is the owner's spec, with "shares"
-- for a shared holder, or with the "ticket" of a waiter that is alive; nil if it has lapsed or is none.
local function claimOf(state, owner)
  local score = state.count > 0 and call('ZSCORE', state.claimsKey, owner)
  state.claimed = score and true -- true also for a claim that has lapsed
  if not score then return nil end
  local spec = parseSpec(call('HGET', state.specsKey, owner))
  score = tonumber(score)
  if score <= now then return nil end
  -- Beside an exclusive holder stands a shared lease where a plain client has set the lock, because it looks at no claims, or
  -- where the release that handed it over has failed half-way. Its fence shows it.
  if score < LOWEST_TICKET and (not state.holder or spec and spec.fence) then
    if not spec or not spec.fence then
      error(redis.error_reply('REDISYNC_CORRUPTED the spec of a shared lease is unreadable'))
    end
    spec.shares = true
    return spec
  end
  if not spec or spec.deadline <= now then return nil end
  spec.ticket = whole(score, LOWEST_TICKET, SENDABLE)
  return spec.ticket and spec
end

-- Whether a claim is a shared lease, with this fence ("0": with any), that is not held over.
local function isShared(claim, fence)
  return claim and claim.shares and not claim.over and (fence == '0' or claim.fence == fence)
end
