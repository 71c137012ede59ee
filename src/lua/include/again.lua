-- Who asks for what it has already.
--include commit
--include holder

-- The fence of what the owner has, with its ttl afresh; nil where it has nothing, or only what is held over.
function Name.again(name, owner, spec, own)
  local held, shares = name.holder, own and own.shares
  if own and own.mode ~= spec.mode or held and held.owner == owner and spec.mode == 's'
    or shares and spec.permits > own.permits then
    error(redis.error_reply('REDISYNC_OWNER this owner already has or awaits another lease'))
  end
  if name:isHeld(owner, '0') then
    local fence = held.fence or string.format('%d', name.clock:draw()) -- a plain client's token is left as it is
    name:extend(spec.ttl)
    if name.claimed then name.gone[owner] = true end -- a place in the queue that a hand-off failed to give up
    name:commit(true)
    return fence
  elseif shares and not own.over then
    name:goOn(owner, own, spec.ttl, '')
    name:commit(true)
    return string.format('%d', own.last)
  end
end
