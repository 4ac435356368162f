--- Why does PAM for Entra not work, what ends when, and who has more power than
--- needed: looks at everything, changes nothing.

local api_permissions = require "entra.api_permissions"
local doctor = require "doctor"

return {
  summary = "Find out why PAM for Entra does not work, what ends when, and what is over-privileged",

  args = {
    name = { type = "string", default = "Devolutions PAM", help = "name the setup was given" },
    client_id = { type = "string", help = "client id of the application, where the setup adopted one" },
    managed = {
      type = "list",
      help = "the accounts that are managed: a group's name or id, or user names (default: as the setup was told)",
    },
    jit_elevation = {
      type = "boolean", help = "is " .. api_permissions.ELEVATION .. " wanted? (default: as the setup was told)",
    },
    renew_before = {
      type = "duration",
      help = "warn this long before a client secret ends (default: 30 days, or a third of its life if that is less)",
    },
    vault = { type = "string", help = "vault of Devolutions Server (default: the profile's)" },
    path = { type = "folder", help = "folder in the vault (default: the profile's)" },
    first_contact = {
      type = "boolean", default = false,
      help = "list what is believed of the real services and could not be tried, and settle what reading can settle",
    },
  },

  needs = {
    graph = {
      "GET /applications(appId)", "GET /applications(uniqueName)", "GET /applications/{id}/appManagementPolicies",
      "GET /directory/deletedItems/microsoft.graph.application", "GET /groups", "GET /groups/{id}",
      "GET /groups/{id}/owners", "GET /groups/{id}/transitiveMembers/microsoft.graph.user",
      "GET /identity/conditionalAccess/namedLocations", "GET /identity/conditionalAccess/policies",
      "GET /oauth2PermissionGrants", "GET /organization",
      "GET /policies/defaultAppManagementPolicy", "GET /roleManagement/directory/roleAssignments",
      "GET /roleManagement/directory/roleAssignmentScheduleInstances", "GET /roleManagement/directory/roleDefinitions",
      "GET /roleManagement/directory/roleEligibilityScheduleInstances", "GET /servicePrincipals(appId)",
      "GET /servicePrincipals/{id}/appRoleAssignments", "GET /users", "GET /users/{id}",
    },
    scopes = { "Directory.Read.All", "Policy.Read.All", "RoleManagement.Read.Directory" },
    devolutions = { "vaults:read", "entries:read" },
  },

  examples = {
    "moonlatch doctor", "moonlatch doctor --managed \"PAM managed tier 0\"", "moonlatch doctor --json",
    "moonlatch doctor --first-contact",
  },

  run = function(args)
    if args.first_contact then return doctor.first_contact() end
    return doctor.show(doctor.examine("setup/entra-pam-provider", {
      name = args.name, client_id = args.client_id, managed = args.managed, jit_elevation = args.jit_elevation,
      vault = args.vault, path = args.path, renew_before = args.renew_before,
    }))
  end,
}
