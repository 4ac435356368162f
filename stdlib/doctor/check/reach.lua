--- Do the services answer over TLS, and are they the right ones?

local fail = require "fail"
local task = require "task"

local PEERS = {
  { "login", "the login service" }, { "graph", "Graph" }, { "devolutions", "Devolutions Server" },
}

local function report_peer(findings, name, peer)
  if not peer then return end -- the profile names no such service
  if fail.is(peer) then return findings:failure("broken", peer, name) end
  if peer.status >= 500 then
    return findings:warning { id = name,
      evidence = ("%s at %s answers with HTTP %d"):format(name, peer.base, peer.status),
      cause = "the service is in trouble", fix = "Try again in some minutes." }
  end
  findings:ok("%s is reached at %s in %d ms", name, peer.base, math.floor(peer.took * 1000 + 0.5))
end

---@type doctor.check
return {
  name = "reach",
  shared = true,
  run = function(findings, facts)
    local found = task.map(PEERS, #PEERS, function(one)
      local ok, peer = pcall(facts.want, facts, one[1])
      if ok or (fail.is(peer) and not fail.is(peer, "interrupted")) then return peer end
      error(peer, 0)
    end)
    for place, one in ipairs(PEERS) do report_peer(findings, one[2], found[place]) end
  end,
}
