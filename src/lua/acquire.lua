-- Asks for a lease. Asking again never gives a second one: a holder's lease is renewed, and a waiter keeps its place and is told
-- whether it is a holder by now. An owner that is denied may stay in the queue.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   acquire, owner, spec, not-after in ms of server time, "1" to join the queue (who is in it stays in any case), and, if
--        there is one, the ticket from an earlier denial, which gives a waiter that the server has forgotten its place back
-- Reply  granted: fence, or { fence, owner, fence … of others that this call granted }
--        denied: { ms until the first holder lapses, rank, 1 if a plain client holds, which announces no release, clock, ticket,
--        owner, fence … of others that this call granted }
--        rank: how many wait before it; clock: the highest number drawn so far, by which the client recognises hand-off messages
--        that are out of date; ticket: 0 if it does not stay
--        -1: the call came after its not-after
--        the error REDISYNC_OWNER: the owner has or awaits another lease on this name
--include bounds: LOWEST_TICKET, SENDABLE, whole
--include call: call
--include claims: add, claimOf, loadState
--include clock: draw, highest, upcoming
--include commit: commit
--include holder: extend, parseHolder
--include lapse: untilLapse
--include parse: parseSpec
--include plan: await, prolong
--include settle: settle, withGrants

-- Gives the lease that the owner has its full ttl again, and returns its fence; nil if it has none, or one that is held over
-- (released, but kept until its ttl ends). An error if what it has is of the other mode or of fewer permits.
local function renewOwn(state, owner, spec, claim)
  local holder = state.holder
  local holdsExclusive, holdsShared = holder and holder.owner == owner, claim and claim.isHolder
  local otherClaim = claim and claim.mode ~= spec.mode
  local otherLease = holdsExclusive and spec.mode == 's'
  local morePermits = holdsShared and spec.permits > claim.permits
  if otherClaim or otherLease or morePermits then
    error(redis.error_reply('REDISYNC_OWNER this owner already has or awaits another lease'))
  elseif holdsExclusive and not holder.heldOver then
    local fence = holder.fence or string.format('%d', draw()) -- a plain client's value is left as it is
    if state.hasEntry then state.toRemove[owner] = true end -- it was made the holder, and the call failed before its claim went
    commit(state, true)
    extend(state.lockKey, holder, spec.ttl)
    return fence
  elseif holdsShared and not claim.heldOver then
    prolong(state, owner, claim, spec.ttl, '')
    commit(state, true)
    return claim.fence
  end
end

-- Ends the verb with an error if the clock has no higher number any more: otherwise settle would deny, as if there were no room.
local function refuseIfExhausted()
  upcoming()
end

-- Denies. An asker that stays is in the queue then: at its place if it has a ticket, otherwise at the end.
local function deny(state, asker, stays)
  local left, ticket = untilLapse(state), 0
  if stays then
    ticket = asker.ticket or draw()
    if not asker.storedTicket then state.scores = add(state.scores, string.format('%d', ticket), asker.owner) end
    await(state, asker.owner, asker.spec)
  end
  commit(state)
  local upTo = stays and '(' .. string.format('%d', ticket) or '+inf'
  local rank = state.count > 0 and call('ZCOUNT', state.claimsKey, LOWEST_TICKET, upTo) or 0
  local heldByPlain = state.holder and state.holder.plain and 1 or 0
  return withGrants(state, { left, rank, heldByPlain, math.min(highest(), SENDABLE), ticket })
end

-- Called by fast, which has compared the not-after and counted the claims. "text" is the spec.
return function(count, lockKey, claimsKey, specsKey, owner, text, stay, namedTicket)
  local spec, ticket = parseSpec(text), whole(namedTicket, LOWEST_TICKET, SENDABLE)
  if not spec or spec.asked ~= text or not ticket and namedTicket ~= '' then
    return redis.error_reply('REDISYNC_ARGUMENT spec, ticket')
  end
  -- What there is: the holders, in the state, and the owner's own claim, as a holder or a waiter.
  local state = loadState(lockKey, claimsKey, specsKey, count, parseHolder(call('GET', lockKey)))
  local claim = claimOf(state, owner)
  local fence = renewOwn(state, owner, spec, claim)
  if fence then return fence end
  -- It has no lease. Whoever comes first in the queue and has room is granted now; among them may be this owner, the asker.
  refuseIfExhausted()
  local storedTicket = claim and claim.ticket
  local asker = { owner = owner, spec = spec, storedTicket = storedTicket, ticket = storedTicket or ticket }
  local mayWait = not (claim and claim.heldOver) -- a shared lease that is held over keeps its owner's one claim until it lapses
  settle(state, spec.channel, mayWait and asker)
  if not asker.fence then return deny(state, asker, mayWait and (storedTicket or stay == '1')) end
  if not state.hasEntry then state.toRemove[owner] = nil end -- it was never in the claims, so nothing is to be removed
  commit(state)
  return #state.inReply > 0 and withGrants(state, { asker.fence }) or asker.fence
end
