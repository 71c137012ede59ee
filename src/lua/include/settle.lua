-- Grants from the head of the queue for as long as the head fits. How that is done is defined where it is needed: see queue.
--include call
--include claims
--include clock
--include listen
--include plan
local grantFromHead

-- asking is the channel of the coordinator that asks. self, if one of its owners does, has its turn by its ticket or behind
-- all, and reads its grant, with its full ttl, from self.fence.
local function settle(name, asking, self)
  if name.holder then return end
  grantFromHead = grantFromHead or (function()
--embed queue
  end)()
  grantFromHead(name, asking, self)
end
