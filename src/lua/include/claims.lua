-- The claims on a name: of shared holders and of waiters. (The exclusive holder is in the value of the lock.)
-- claims  ZSET  owner -> of a shared holder the ms at which it lapses; of a waiter its ticket, which is LOWEST_TICKET at least
--               '' -> -(permits in use beyond one for each shared holder), where there are such
-- specs   HASH  owner -> its spec: see spec
-- A fence in the spec of a waiter, or a deadline in that of a shared holder, shows that a call failed half-way.
--include bounds: BELOW_TICKETS, HIGHEST, LOWEST_TICKET, SENDABLE, whole
--include call: call, now
--include parse: parseSpec
local DEPARTED = 0 -- the score of a shared holder whose permits '' does not count any more

-- Adds a pair to a list. Most lists have one pair, and a new list is quicker than one that grows.
local function add(list, first, second)
  if not list then return { first, second } end
  local length = #list
  list[length + 1], list[length + 2] = first, second
  return list
end

-- Plans that the claim of a shared holder goes. The write that changes '' sets its score to DEPARTED, so that its permits are
-- never counted out twice; a later write removes it.
local function depart(state, owner, permits)
  if permits > 1 then
    state.scores = add(state.scores, DEPARTED, owner)
    state.extraPermits = math.max(0, state.extraPermits - permits + 1)
  end
  state.toRemove[owner] = true
end

-- The state of a name: its three keys, what there is, and what is planned, which commit writes. Who sets it:
--   holder, sharers, extraPermits    who holds: loadState; grants and leaves change it as they are planned
--   count, hasEntry                  how many claims there are: loadState; whether the owner has one, also a lapsed one: claimOf
--   nonWaiters, lapsed, storedExtra  what loadState has read; the last is what '' says
--   lockValue, lockMs                the lock as it will be, and for how many ms: queue, raise
--   dropLock, cutLockTo              or that it goes: release, share; or the ms to which it is cut: lapse
--   fields, scores, neededMs         to be written to specs and claims, and for how many ms: depart, plan, lapse, raise
--   toRemove                         the owners whose claims go: depart, plan, queue, acquire, release
--   shortestMs                       the least for which a planned share lasts: plan, for lapse
--   grants, inReply                  how many were granted, and those that the reply tells: queue, for the reply
-- "extraPermits": those in use beyond one for each shared holder. Two holders of 3 and 1 permits have 2.
-- "heldOver": released, but kept until its ttl ends, because of a minHold.
-- The first "nonWaiters" of its "count" claims do not wait: '', then "lapsed" shared holders ('' is counted with them), then
-- "sharers", of which there may be some beside an exclusive holder: see claimOf.
local function loadState(lockKey, claimsKey, specsKey, count, holder)
  local state = {
    lockKey = lockKey, claimsKey = claimsKey, specsKey = specsKey, count = count, holder = holder,
    nonWaiters = 0, lapsed = 0, sharers = 0, extraPermits = 0, storedExtra = 0,
    toRemove = {}, inReply = {}, neededMs = 0, grants = 0,
  }
  if count > 0 then state.nonWaiters = call('ZCOUNT', claimsKey, '-inf', BELOW_TICKETS) end
  if state.nonWaiters == 0 then return state end
  local lapsed = call('ZRANGEBYSCORE', claimsKey, '-inf', now, 'WITHSCORES') -- '' is below all times
  state.sharers, state.lapsed = state.nonWaiters - #lapsed / 2, #lapsed / 2
  if lapsed[1] == '' then state.storedExtra, state.toRemove[''] = math.max(0, math.min(-lapsed[2], HIGHEST)), true end
  state.extraPermits = state.sharers > 0 and state.storedExtra or 0
  for i = state.toRemove[''] and 3 or 1, #lapsed, 2 do
    local spec = parseSpec(call('HGET', specsKey, lapsed[i]))
    local isCounted = spec and tonumber(lapsed[i + 1]) > DEPARTED
    depart(state, lapsed[i], isCounted and spec.permits or 1)
  end
  return state
end

-- The claim of an owner, who is never '': each verb refuses that, or breaks the name. It is the owner's spec, with
-- "isHolder" for a shared holder, or with the "ticket" of a waiter that is alive; nil if it has lapsed or is none.
local function claimOf(state, owner)
  local score = state.count > 0 and call('ZSCORE', state.claimsKey, owner)
  state.hasEntry = score and true
  if not score then return nil end
  local spec = parseSpec(call('HGET', state.specsKey, owner))
  score = tonumber(score)
  if score <= now then return nil end
  -- Beside an exclusive holder stands a shared lease where a plain client has set the lock, because it looks at no claims, or
  -- where a share, or the release that has handed it off, failed half-way.
  if score < LOWEST_TICKET and spec and spec.fence then
    spec.isHolder = true
    return spec
  elseif score < LOWEST_TICKET and not state.holder then
    error(redis.error_reply('REDISYNC_CORRUPTED the spec of a shared lease is unreadable'))
  end
  if not spec or spec.deadline <= now then return nil end
  spec.ticket = whole(score, LOWEST_TICKET, SENDABLE)
  return spec.ticket and spec
end

-- Whether a claim is a shared lease, with this fence ("0": with any), that is not held over.
local function isShared(claim, fence)
  return claim and claim.isHolder and not claim.heldOver and (fence == '0' or claim.fence == fence)
end
