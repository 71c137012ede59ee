-- Tells a waiter, in the reply or by a message, that it is a holder with this fence; with "", that it should ask again.
--include claims: add
--include listen: publish

local function tell(state, owner, channel, fence, telling)
  if telling == 'reply' then
    add(state.inReply, owner, fence)
  elseif telling ~= 'later' then
    publish(telling, channel, cjson.encode({ state.lockKey, owner, fence }))
  end
end
