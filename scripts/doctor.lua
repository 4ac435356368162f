--- Find out why PAM for Entra does not work, what expires when, and which rights are not needed. Changes nothing, but
--- for --try-on.

local api_permissions = require "entra.api_permissions"
local doctor = require "doctor"

return {
  summary = "Find out why PAM for Entra does not work, what expires when, and which rights are not needed",

  args = {
    name = { type = "string", default = "Devolutions PAM", help = "name that the setup was given" },
    client_id = { type = "string", help = "client id of the application, where the setup adopted one" },
    managed = {
      type = "list",
      help = "the managed accounts: name or id of a group, or user names (default: as the setup was told)",
    },
    jit_elevation = {
      type = "boolean", help = "is " .. api_permissions.ELEVATION .. " wanted? (default: as the setup was told)",
    },
    renew_before = {
      type = "duration",
      help = "warn this long before a client secret expires (default: 30 days, or a third of its life if that is less)",
    },
    vault = { type = "string", help = "vault of Devolutions Server (default: the profile's)" },
    path = { type = "folder", help = "folder in the vault (default: the profile's)" },
    evidence = {
      type = "boolean", default = true,
      help = "look at who signs in with the client secret and who reset passwords, in Entra's logs",
    },
    all = {
      type = "boolean", default = false, help = "show also what is in order, and what was left out, one by one",
    },
    first_contact = {
      type = "boolean", default = false,
      help = "list what Moonlatch assumes about the real services and could not try, and check what reading can check",
    },
    record = {
      type = "string",
      help = "with --first-contact: folder for a recording of the answers, without ids, names and secrets; it is shown"
        .. " first",
    },
    try_on = {
      type = "string",
      help = "with --first-contact: client id of an application that was made for this; a client secret with a key id"
        .. " of ours is added to it, looked at, and removed again",
    },
  },

  needs = {
    graph = {
      "GET /applications(appId)", "GET /applications(uniqueName)", "GET /applications/{id}/appManagementPolicies",
      "GET /directory/deletedItems/microsoft.graph.application", "GET /groups", "GET /groups/{id}",
      "GET /groups/{id}/owners", "GET /groups/{id}/transitiveMembers/microsoft.graph.user",
      "GET /identityGovernance/privilegedAccess/group/eligibilityScheduleInstances",
      "GET /identity/conditionalAccess/namedLocations", "GET /identity/conditionalAccess/policies",
      "GET /oauth2PermissionGrants", "GET /organization",
      "GET /policies/defaultAppManagementPolicy", "GET /roleManagement/directory/roleAssignments",
      "GET /roleManagement/directory/roleAssignmentScheduleInstances", "GET /roleManagement/directory/roleDefinitions",
      "GET /roleManagement/directory/roleEligibilityScheduleInstances", "GET /servicePrincipals(appId)",
      "GET /servicePrincipals/{id}/appRoleAssignments", "GET /users", "GET /users/{id}",
    },
    scopes = {
      "Directory.Read.All", "Policy.Read.All", "RoleManagement.Read.Directory",
      "PrivilegedEligibilitySchedule.Read.AzureADGroup",
    },
    devolutions = { "vaults:read", "entries:read" },
    when = {
      evidence = {
        graph = {
          "GET /applications/{id}", "GET /beta/auditLogs/signIns", "GET /auditLogs/directoryAudits",
          "GET /beta/reports/appCredentialSignInActivities", "GET /beta/reports/servicePrincipalSignInActivities",
        },
        scopes = { "AuditLog.Read.All" },
      },
      try_on = {
        graph = {
          "GET /applications/{id}", "POST /applications/{id}/addPassword", "POST /applications/{id}/removePassword",
        },
        scopes = { "Application.ReadWrite.All" },
      },
    },
  },

  examples = {
    "moonlatch doctor", "moonlatch doctor --all", "moonlatch doctor --managed \"PAM managed tier 0\"",
    "moonlatch doctor --json",
    "moonlatch doctor --first-contact", "moonlatch doctor --first-contact --record recordings",
    "moonlatch doctor --first-contact --try-on CLIENT-ID",
  },

  run = function(args)
    if args.first_contact then return doctor.first_contact { record = args.record, try_on = args.try_on } end
    return doctor.show(doctor.examine("setup/entra-pam-provider", {
      name = args.name, client_id = args.client_id, managed = args.managed, jit_elevation = args.jit_elevation,
      vault = args.vault, path = args.path, renew_before = args.renew_before,
    }), args.all)
  end,
}
