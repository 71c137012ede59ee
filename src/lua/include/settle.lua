-- Grants from the head of the queue for as long as the head fits. The functions for it are defined only if needed: see queue.
--include call
--include claims
--include clock
--include listen
--include plan
local grantFromHead

-- The text of queue stands in the place of its --embed, and returns a function that sets self.fence and the table of the name.
-- asking: the channel of the coordinator that asks. self: its owner, if it asks for a lease. It is served in the order of its
-- ticket, or last without one, gets its full ttl, and reads its grant from self.fence.
local function settle(name, asking, self)
  if name.holder then return end
  grantFromHead = grantFromHead or (function()
--embed queue
  end)()
  grantFromHead(name, asking, self)
end
