--- The accounts of a tenant that hold power, by whatever way; changes nothing.

local discover = require "discover"
local fail = require "fail"
local log = require "log"

local function check(args)
  local ways = (args.role and 1 or 0) + (args.group and 1 or 0) + (args.unit and 1 or 0) + (args.all and 1 or 0)
  if ways <= 1 then return end
  fail.raise {
    kind = "usage", what = "discover", why = "--role, --group, --unit and --all each say which accounts",
    fix = "Leave one of them.",
  }
end

return {
  summary = "List privileged accounts: by which role or group, managed or not, age of account and password",

  args = {
    role = { type = "string", help = "only who holds this directory role, by whatever way" },
    group = { type = "string", help = "instead: the accounts in the group of this name, nested ones too" },
    unit = { type = "string", help = "instead: the accounts in the administrative unit of this name" },
    all = { type = "boolean", default = false, help = "instead: all accounts" },
    unmanaged = { type = "boolean", default = false, help = "leave out what has an entry in Devolutions Server" },
    format = {
      type = "string", choices = { "table", "csv", "json" }, default = "table", help = "what to write; --json is json",
    },
  },

  needs = {
    graph = {
      "GET /roleManagement/directory/roleAssignments", "GET /roleManagement/directory/roleDefinitions",
      "GET /roleManagement/directory/roleEligibilityScheduleInstances", "GET /groups", "GET /groups/{id}/owners",
      "GET /groups/{id}/transitiveMembers/microsoft.graph.user", "GET /users", "GET /directory/administrativeUnits",
      "GET /directory/administrativeUnits/{id}/members", "POST /directoryObjects/getByIds",
    },
    scopes = { "Directory.Read.All", "RoleManagement.Read.Directory" },
    devolutions = { "vaults:read", "entries:read" },
  },

  examples = {
    "moonlatch discover", "moonlatch discover --unmanaged", "moonlatch discover --role \"Helpdesk Administrator\"",
    "moonlatch discover --group \"PAM managed tier 0\"",
    "moonlatch discover --all --format csv > accounts.csv",
  },

  run = function(args)
    check(args)
    if log.json() and args.format == "table" then args.format = "json" end
    discover.run(args)
    return 0
  end,
}
