--- List the credentials of all applications of a tenant. Changes nothing.

local applications = require "applications"
local log = require "log"

return {
  summary = "List the credentials of all applications: expiry, last use, owners, and what they could do",

  args = {
    expiring = { type = "duration", help = "only credentials that expire within this time: 30d" },
    owner = {
      type = "string",
      help = "only applications of this owner: a user principal name, or the name of a service principal",
    },
    unused = {
      type = "duration",
      help = "only credentials of which Entra knows no use for this time: 90d; where that is unknown, they are counted "
        .. "apart",
    },
    evidence = {
      type = "boolean", default = true, help = "read when credentials were last used; needs AuditLog.Read.All",
    },
    format = {
      type = "string", choices = { "table", "csv", "json" }, default = "table",
      help = "the format of the list; --json means json",
    },
  },

  needs = {
    graph = {
      "GET /applications", "GET /applications/{id}/federatedIdentityCredentials", "GET /applications/{id}/owners",
      "GET /servicePrincipals", "GET /servicePrincipals(appId)", "GET /servicePrincipals/{id}/appRoleAssignedTo",
      "GET /servicePrincipals/{id}/owners",
    },
    scopes = { "Application.Read.All", "User.ReadBasic.All" }, -- the second for the names of owners
    when = {
      evidence = {
        graph = {
          "GET /beta/reports/appCredentialSignInActivities", "GET /beta/reports/servicePrincipalSignInActivities",
        },
        scopes = { "AuditLog.Read.All" },
      },
    },
  },

  examples = {
    "moonlatch applications", "moonlatch applications --expiring 30d",
    "moonlatch applications --unused 90d", "moonlatch applications --owner priya@contoso.com",
    "moonlatch applications --no-evidence --format csv > credentials.csv",
  },

  run = function(args)
    if log.json() and args.format == "table" then args.format = "json" end
    local _, whole = applications.run(args)
    return whole and 0 or 3
  end,
}
