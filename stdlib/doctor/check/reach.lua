--- Do the services answer over TLS, and are they the right ones?

local fail = require "fail"
local task = require "task"

local PEERS = {
  { "login", "the login service" }, { "graph", "Graph" }, { "devolutions", "Devolutions Server" },
}

local function tell(record, name, peer)
  if not peer then return end -- the profile names no such service
  if fail.is(peer) then return record:failure("broken", peer) end
  if peer.status >= 500 then
    return record:warning { evidence = ("%s at %s answers with HTTP %d"):format(name, peer.base, peer.status),
      cause = "the service is in trouble", fix = "Try again in some minutes." }
  end
  record:ok("%s is reached at %s in %d ms", name, peer.base, math.floor(peer.took * 1000 + 0.5))
end

---@type doctor.check
return {
  name = "reach",
  run = function(record, look)
    local found = task.map(PEERS, #PEERS, function(one)
      local ok, peer = pcall(look.want, look, one[1])
      if ok or (fail.is(peer) and not fail.is(peer, "interrupted")) then return peer end
      error(peer, 0)
    end)
    for place, one in ipairs(PEERS) do tell(record, one[2], found[place]) end
  end,
}
