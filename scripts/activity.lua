--- List what Entra's logs tell: sign-ins of applications, and who changed what. Changes nothing.

local activity = require "activity"
local fail = require "fail"
local log = require "log"

local function check(args)
  if args.app and args.user then
    fail.raise {
      kind = "usage", what = "activity", why = "--app and --user each say whose activity",
      fix = "Leave out --app or --user.",
    }
  elseif args.counted and args.user then
    fail.raise {
      kind = "usage", what = "activity",
      why = "--counted counts sign-ins of applications; --user lists the changes of an account",
      fix = "Leave out --counted, or name an application instead: --app NAME.",
    }
  end
end

return {
  summary = "List what Entra's logs tell: sign-ins of applications by secret and address, and who changed what",
  description = "Without --app and --user: the sign-ins of all applications on record here, and all changes of\n"
    .. "accounts, applications and roles. Exit status 3: something that was asked for could not be read, and is\n"
    .. "unknown. Sign-ins of people, and of applications on behalf of people, are in other logs.",

  args = {
    app = { type = "string", help = "only this application: name or client id" },
    user = { type = "string", help = "only changes of this account: user name, or object id" },
    since = { type = "duration", default = "7d", help = "how far back: the logs keep 7 days, or 30 with Entra ID P1" },
    counted = {
      type = "string", choices = { "hour", "day" },
      help = "count the sign-ins for each hour or day, address and result, instead of listing them one by one",
    },
    format = {
      type = "string", choices = { "table", "csv", "json" }, default = "table",
      help = "the format of the list; --json means json",
    },
  },

  needs = {
    graph = {
      "GET /applications(appId)", "GET /servicePrincipals", "GET /users/{id}", "GET /auditLogs/directoryAudits",
      "GET /beta/auditLogs/getSummarizedServicePrincipalSignIns(aggregationWindow)", "GET /beta/auditLogs/signIns",
      "GET /beta/reports/appCredentialSignInActivities", "GET /beta/reports/servicePrincipalSignInActivities",
    },
    scopes = { "Application.Read.All", "User.ReadBasic.All", "AuditLog.Read.All" },
  },

  examples = {
    "moonlatch activity --app \"Devolutions PAM\"", "moonlatch activity --user anna@contoso.com --since 30d",
    "moonlatch activity --since 1d --format csv > yesterday.csv",
    "moonlatch activity --app \"Payroll\" --counted day --since 30d",
  },

  run = function(args)
    check(args)
    if log.json() and args.format == "table" then args.format = "json" end
    local _, whole = activity.run(args)
    return whole and 0 or 3
  end,
}
