--- List the privileged accounts of a tenant. Changes nothing.

local discover = require "discover"
local fail = require "fail"
local log = require "log"

local function check(args)
  local ways = (args.role and 1 or 0) + (args.group and 1 or 0) + (args.unit and 1 or 0) + (args.all and 1 or 0)
  if ways <= 1 then return end
  fail.raise {
    kind = "usage", what = "discover", why = "--role, --group, --unit and --all each say which accounts",
    fix = "Leave out all but one of --role, --group, --unit and --all.",
  }
end

return {
  summary = "List privileged accounts by risk: roles and groups, who manages them, the age of account and password",

  args = {
    role = { type = "string", help = "only accounts that hold this directory role in any way" },
    group = { type = "string", help = "list the accounts in this group instead, nested groups included" },
    unit = { type = "string", help = "list the accounts in this administrative unit instead" },
    all = { type = "boolean", default = false, help = "list all accounts instead" },
    unmanaged = {
      type = "boolean", default = false, help = "leave out accounts that have an entry in Devolutions Server",
    },
    evidence = {
      type = "boolean", default = true, help = "read in Entra's audit log who changed the passwords last",
    },
    format = {
      type = "string", choices = { "table", "csv", "json" }, default = "table",
      help = "the format of the list; --json means json",
    },
  },

  needs = {
    graph = {
      "GET /roleManagement/directory/roleAssignments", "GET /roleManagement/directory/roleDefinitions",
      "GET /roleManagement/directory/roleEligibilityScheduleInstances", "GET /groups", "GET /groups/{id}",
      "GET /groups/{id}/owners",
      "GET /groups/{id}/transitiveMembers/microsoft.graph.user", "GET /users", "GET /directory/administrativeUnits",
      "GET /directory/administrativeUnits/{id}/members", "POST /directoryObjects/getByIds",
      "GET /identityGovernance/privilegedAccess/group/eligibilityScheduleInstances", "GET /users/{id}",
    },
    scopes = {
      "Directory.Read.All", "RoleManagement.Read.Directory", "PrivilegedEligibilitySchedule.Read.AzureADGroup",
    },
    devolutions = { "vaults:read", "entries:read" },
    when = {
      evidence = {
        graph = { "GET /auditLogs/directoryAudits", "GET /servicePrincipals(appId)" }, scopes = { "AuditLog.Read.All" },
      },
    },
  },

  examples = {
    "moonlatch discover", "moonlatch discover --unmanaged", "moonlatch discover --role \"Helpdesk Administrator\"",
    "moonlatch discover --group \"PAM managed tier 0\"",
    "moonlatch discover --all --format csv > accounts.csv",
  },

  run = function(args)
    check(args)
    if log.json() and args.format == "table" then args.format = "json" end
    local _, whole = discover.run(args)
    return whole and 0 or 3
  end,
}
