-- Grants from the head of the queue for as long as the head fits. The functions for it are defined only if needed: see queue.
--include call
--include claims
--include clock
--include listen
--include plan
--include tell
local grantFromHead

-- askingChannel: that of the coordinator that sent the call. asker: its owner, if it asks for a lease. It is served in the order
-- of its ticket, or last without one. If it is granted, settle sets asker.fence. Its lease then lasts for its ttl; that of a
-- waiter who has yet to learn of its grant, for its waiterTtl at most. The text of queue stands in the place of its --embed.
local function settle(state, askingChannel, asker)
  if state.holder then return end
  grantFromHead = grantFromHead or (function()
--embed queue
  end)()
  grantFromHead(state, askingChannel, asker)
end

-- The answer, and behind it owner and fence of each whom it tells.
local function withGrants(state, answer)
  for _, each in ipairs(state.inReply) do answer[#answer + 1] = each end
  return answer
end
