-- Asks for a lease. An owner that is denied may stay in the queue. Asking again never gives a second lease: a holder's is
-- renewed, and a waiter keeps its place and is told whether it is a holder by now.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   acquire, owner, spec, not-after in ms of server time, "1" to join the queue (who is in it stays in any case), and the
--        ticket from an earlier denial or "", which gives a waiter that the server has forgotten its place back
-- Called by fast, which has compared the not-after, with count, the number of claims (ZCARD), in front.
-- Reply  fence, or { fence, { owner, fence … of others that this call granted } } granted
--        { ms until the first holder lapses, rank, 1 if the holder announces nothing, clock, ticket, { owner, fence … } } denied
--        rank: how many wait before it; clock: the highest number drawn so far, by which old hand-off messages are told; ticket:
--        0 if it does not stay. -1 the call came after its not-after. Error REDISYNC_OWNER: the owner has or awaits another lease
--include claims
--include commit
--include fence
--include holder
--include lapse
--include plan
--include settle

-- Gives the lease that the owner has its full ttl again, and returns its fence; nil if it has none, or one that is held over.
local function renewOwn(name, owner, spec, claim)
  local holder, shares = name.holder, claim and claim.shares
  local holds = holder and holder.owner == owner
  if claim and claim.mode ~= spec.mode or holds and spec.mode == 's' or shares and spec.permits > claim.permits then
    error(redis.error_reply('REDISYNC_OWNER this owner already has or awaits another lease'))
  elseif holds and not holder.over then
    local fence = holder.fence or digits(draw()) -- a plain client's value is left as it is
    extend(name.lock, holder, spec.ttl)
    if name.claimed then name.removed[owner] = true end -- a waiter's claim, left by a hand-off that failed half-way
    commit(name, true)
    return fence
  elseif shares and not claim.over then
    prolong(name, owner, claim, spec.ttl, '')
    commit(name, true)
    return digits(claim.deadlineOrFence)
  end
end

-- Denies: puts self into the queue, or leaves it there, if it stays, and returns the denial.
local function deny(name, self, stays)
  local left, ticket = untilLapse(name), self.ticket
  local isNew = stays and not ticket
  if isNew then ticket = draw() end
  if stays and not self.queued then name.scores = add(name.scores, digits(ticket), self.owner) end
  if stays then await(name, self.owner, self.spec) end
  commit(name)
  local index = stays and not isNew and redis.call('ZRANK', name.claims, self.owner) or name.count - (isNew and 1 or 0)
  local rank = index - name.sharers - (name.beyond > 0 and 1 or 0)
  local silent = name.holder and name.holder.plain and 1 or 0
  return { left, rank, silent, math.min(highest(), SENDABLE), stays and ticket or 0, name.inReply }
end

return function(count, lockKey, claimsKey, specsKey, owner, text, stay, ticketNamed)
  local spec, ticket = parseSpec(text), whole(ticketNamed, FIRST, SENDABLE)
  if not spec or spec.asked ~= text or not ticket and ticketNamed ~= '' then
    return redis.error_reply('REDISYNC_ARGUMENT spec, ticket')
  end
  local name = loadName(lockKey, claimsKey, specsKey, count, parseHolder(redis.call('GET', lockKey)))
  local claim = claimOf(name, owner)
  local fence = renewOwn(name, owner, spec, claim)
  if fence then return fence end
  upcoming() -- ends with an error if there is no higher number any more
  local stored = claim and claim.queued -- its place, whichever ticket it names
  local self = { owner = owner, spec = spec, ticket = stored or ticket, queued = stored }
  local waits = not (claim and claim.over) -- may wait: a shared lease that is held over still has its entry in the claims
  settle(name, spec.channel, waits and self)
  if not self.fence then return deny(name, self, waits and (self.queued or stay == '1')) end
  if not name.claimed then name.removed[owner] = nil end -- it was never in the claims, so nothing is to be removed
  commit(name)
  return #name.inReply > 0 and { self.fence, name.inReply } or self.fence
end
