-- Asks for a lease. Who is denied may stay in the queue: asking again keeps its place, and tells it whether it is a
-- holder by now. Asking is idempotent for an owner.
-- KEYS   the clock; then of each name lock, claims, specs
-- ARGV   acquire, owner, spec, not-after in ms of server time, "1" to stay in the queue, ticket as a denial told it or ""
-- Reply  fence, or { fence, { owner, fence … of others who were granted by it } } granted
--        { ms until a holder lapses, rank, 1 if the holder announces nothing, clock, ticket, { owner, fence … } } denied
--        -1 came too late
--include again
--include lapse
--include queue

-- Leaves self in the queue, if it stays, and tells what there is to wait for.
local function deny(name, self, stays)
  local left, last = name:untilLapse(), stays and not self.queued and not self.ticket
  if last then self.ticket = clock:draw() end
  if stays and not self.queued then
    name.scores[#name.scores + 1], name.scores[#name.scores + 2] = string.format('%d', self.ticket), self.owner
  end
  if stays then name:await(self.owner, self.spec) end
  name:commit()
  local notWaiting = name.sharers + (name.beyond > 0 and 1 or 0)
  local rank = name.count - notWaiting - (last and 1 or 0)
  if stays and not last then rank = redis.call('ZRANK', name.claims, self.owner) - notWaiting end
  local ticket = stays and (self.ticket or whole(redis.call('ZSCORE', name.claims, self.owner), FIRST, HIGHEST - 1)) or 0
  return { left, rank, name.holder and name.holder.plain and 1 or 0, math.min(clock:highest(), HIGHEST - 1), ticket, name.own }
end

local function acquire(lockKey, claimsKey, specsKey, owner, text, notAfter, stay, told, more)
  local latest, ticket = whole(notAfter, 0, HIGHEST), whole(told, FIRST, HIGHEST - 1)
  if owner == '' or not latest or not ticket and told ~= '' or more then
    return redis.error_reply('REDISYNC_ARGUMENT owner, spec, not-after, "1" to stay, ticket')
  end
  if call.now > latest then return -1 end
  local count = redis.call('ZCARD', claimsKey)
  local ttl = string.match(text, '^x 1 0 ([1-9]%d*) ')
  if count == 0 and ttl and #ttl < 10 then -- an exclusive lease, and nobody to be overtaken: as below, sooner
    local fence = string.format('%d', clock:upcoming())
    if redis.call('SET', lockKey, valueOf(owner, fence, ttl), 'NX', 'PX', ttl) then
      clock:draw()
      return fence
    end
  end
  local spec = Name.parseSpec(text)
  if not spec or spec.asked ~= text then return redis.error_reply('REDISYNC_ARGUMENT the spec is none') end
  local name = Name.load(lockKey, claimsKey, specsKey, count, redis.call('GET', lockKey))
  local own = name:claimOf(owner)
  local fence = name:again(owner, spec, own)
  if fence then return fence end
  clock:upcoming() -- refuses, where there is none
  local self = { owner = owner, spec = spec, ticket = ticket, queued = own and own.queued }
  local waits = not (own and own.over) -- who is held over has a claim already
  name:settle(spec.channel, waits and self)
  if not self.fence then return deny(name, self, waits and (self.queued or stay == '1')) end
  if not name.claimed then name.gone[owner] = nil end
  name:commit()
  return #name.own > 0 and { self.fence, name.own } or self.fence
end
