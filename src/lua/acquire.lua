-- Asks for a lease. Who is denied may stay in the queue: asking again keeps its place, and tells it whether it is a
-- holder by now. Asking is idempotent for an owner.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   acquire, owner, spec, not-after in ms of server time, "1" to stay in the queue, ticket as a denial told it or ""
-- Reply  fence, or { fence, { owner, fence … of others who were granted by it } } granted
--        { ms until a holder lapses, rank, 1 if the holder announces nothing, clock, ticket, { owner, fence … } } denied
--        -1 came too late
--include claims
--include commit
--include fence
--include holder
--include lapse
--include plan
--include settle

-- The fence of what the owner has, with its ttl afresh; nil where it has nothing, or only what is held over.
local function again(name, owner, spec, claim)
  local holder, shares = name.holder, claim and claim.shares
  local holds = holder and holder.owner == owner
  if claim and claim.mode ~= spec.mode or holds and spec.mode == 's' or shares and spec.permits > claim.permits then
    error(redis.error_reply('REDISYNC_OWNER this owner already has or awaits another lease'))
  elseif holds and not holder.over then
    local fence = holder.fence or digits(draw()) -- a plain client's token is left as it is
    extend(name.lock, holder, spec.ttl)
    if name.claimed then name.gone[owner] = true end -- a place in the queue that a hand-off failed to give up
    commit(name, true)
    return fence
  elseif shares and not claim.over then
    goOn(name, owner, claim, spec.ttl, '')
    commit(name, true)
    return digits(claim.deadlineOrFence)
  end
end

-- Leaves self in the queue, if it stays, and tells what there is to wait for.
local function deny(name, self, stays)
  local left, ticket = untilLapse(name), self.ticket or self.queued -- as told to it, where both are known
  local isNew = stays and not ticket
  if isNew then ticket = draw() end
  if stays and not self.queued then name.scores = add(name.scores, digits(ticket), self.owner) end
  if stays then await(name, self.owner, self.spec) end
  commit(name)
  local place = stays and not isNew and redis.call('ZRANK', name.claims, self.owner) or name.count - (isNew and 1 or 0)
  local rank = place - name.sharers - (name.beyond > 0 and 1 or 0)
  local silent = name.holder and name.holder.plain and 1 or 0
  return { left, rank, silent, math.min(highest(), HIGHEST - 1), stays and ticket or 0, name.inReply }
end

return function(count, lockKey, claimsKey, specsKey, owner, text, stay, ticketTold)
  local spec, ticket = parseSpec(text), whole(ticketTold, FIRST, HIGHEST - 1)
  if not spec or spec.asked ~= text or not ticket and ticketTold ~= '' then
    return redis.error_reply('REDISYNC_ARGUMENT spec, ticket')
  end
  local name = loadName(lockKey, claimsKey, specsKey, count, parseHolder(redis.call('GET', lockKey)))
  local claim = claimOf(name, owner)
  local fence = again(name, owner, spec, claim)
  if fence then return fence end
  upcoming() -- refuses, where there is no number any more
  local self = { owner = owner, spec = spec, ticket = ticket, queued = claim and claim.queued }
  local waits = not (claim and claim.over) -- who is held over has a claim already
  settle(name, spec.channel, waits and self)
  if not self.fence then return deny(name, self, waits and (self.queued or stay == '1')) end
  if not name.claimed then name.gone[owner] = nil end
  commit(name)
  return #name.inReply > 0 and { self.fence, name.inReply } or self.fence
end
