--- Devolutions Cloud has no public API: what has to be there first, as a list that
--- an admin goes through, with the exact values (facts on Devolutions, 4).

local term = require "host.term"
local time = require "time"

local M = {}

--- How to ask; tests bring their own.
M.ask = term.read_line

---@class devolutions.checklist.item
---@field what string
---@field how string

--- What must be in place before the provider works, in the order of doing it.
---@param cloud string the organisation's address: "https://contoso.devolutions.app"
---@return devolutions.checklist.item[]
function M.items(cloud)
  return {
    { what = "an application identity for the PAM service",
      how = "Administration > Application identities > Add; its key and its secret are shown once" },
    { what = "its system permissions",
      how = "'Manage privileged access tasks' and 'Manage privileged access providers'" },
    { what = "its access to the vault", how = "Contributor on the PAM vault (or on all vaults)" },
    { what = "Devolutions Cloud Services installed",
      how = "on a Windows server, from the download centre; in Custom setup check the feature PAM" },
    { what = "the installer's values",
      how = ("Host: %s; Application key and Application secret: the application identity's, not Entra's")
        :format(cloud) },
    { what = "its connection",
      how = "the server reaches the host over TLS, and Test Connection in the installer succeeds" },
    { what = "the service known to Devolutions Cloud",
      how = "Administration > Application services > Add > PAM service, with that application identity" },
  }
end

local function lines(items)
  local list = {}
  for i, item in ipairs(items) do list[i] = item.what .. ": " .. item.how end
  return list
end

local function confirmed(run, id, prepared)
  local row = run.journal and run.journal:get("checklist", id)
  if row and row.state == "confirmed" then return true end
  if not run:acting() then return prepared end
  if not prepared and run.interactive then
    for i, line in ipairs(lines(M.items(id))) do run:note("%d. %s", i, line) end
    prepared = (M.ask "Is all of this in place? [y]es, or Enter for later: " or ""):lower():sub(1, 1) == "y"
  end
  if prepared then run.journal:put("checklist", id, "confirmed", { workflow = run.id }, time.now()) end
  return prepared
end

--- Have the list confirmed once, by a person; until then they are waited for.
---@param run workflow.Run
---@param prepared boolean has it been gone through already?
function M.ensure(run, prepared)
  local cloud = run.profile.devolutions and run.profile.devolutions.cloud
  if not cloud or run.mode == "destroy" or confirmed(run, cloud, prepared) then return end
  local how = lines(M.items(cloud))
  how[#how + 1] = "then run apply with --prepared; it is asked once"
  run:await { what = "prepare Devolutions Cloud",
    why = "It has no public API: this cannot be looked up, only confirmed.", how = how }
end

return M
