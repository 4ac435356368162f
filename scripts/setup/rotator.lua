--- Create the application that unattended rotation signs in as, with no more rights than its policies need.
--
-- The application signs in with a certificate whose key never leaves this machine. It owns the applications whose
-- secrets it rotates. It may set passwords only when policies for users are named. Each step reads, compares, and acts
-- on the difference.

local admin = require "entra.admin"
local api_permissions = require "entra.api_permissions"
local application = require "entra.application"
local certificate = require "certificate"
local consent = require "entra.consent"
local directory_role = require "entra.directory_role"
local owner = require "entra.owner"
local rotator = require "setup.rotator"
local service_principal = require "entra.service_principal"
local workflow = require "workflow"

local step = workflow.step

return workflow.declare {
  id = "setup/rotator",
  summary = "Create the application that rotation signs in as",

  args = {
    name = { type = "string", default = "Moonlatch rotator", help = "name of the application" },
    client_id = { type = "string", help = "adopt the application with this client id, instead of creating one" },
    provider = { type = "string", default = "Devolutions PAM", help = "the provider whose application it owns" },
    policies = {
      type = "list",
      help = "the policies that it will run: they decide its permissions and its directory role",
    },
    evidence = {
      type = "boolean", default = true,
      help = "let it read Entra's logs of sign-ins and changes, so that it sees which secret is in use "
        .. "(AuditLog.Read.All)",
    },
    justification = {
      type = "string", default = "Moonlatch sets the passwords of the accounts in its policies",
      help = "reason for assigning the directory role; Entra's audit log records it",
    },
    key_file = {
      type = "path", help = "write key and certificate also to this file, unencrypted (default: sealed only)",
    },
    lifetime = {
      type = "duration", help = "lifetime of a certificate (default: a year, or less where the tenant allows less)",
    },
    renew_before = {
      type = "duration",
      help = "make a new certificate this long before the old one expires (default: 30 days, at most a third of its "
        .. "life)",
    },
    grace = {
      type = "duration", default = "7d", help = "keep the old certificate this long after the new one is in use",
    },
  },

  examples = {
    "moonlatch plan setup/rotator --policies policies/tier0-users,policies/pam-provider-secret",
    "moonlatch apply setup/rotator --policies ./mine.lua --key-file ~/rotator.pem",
  },

  needs = {
    graph = {
      "GET /organization", "GET /subscribedSkus", "GET /policies/defaultAppManagementPolicy",
      "GET /policies/roleManagementPolicyAssignments",

      "GET /directory/deletedItems/microsoft.graph.application", "POST /directory/deletedItems/{id}/restore",
      "GET /directory/deletedItems/microsoft.graph.servicePrincipal",

      "GET /applications(appId)", "GET /applications(uniqueName)", "PATCH /applications(uniqueName)",
      "GET /applications/{id}", "PATCH /applications/{id}", "DELETE /applications/{id}",
      "GET /applications/{id}/appManagementPolicies",
      "GET /applications/{id}/owners", "POST /applications/{id}/owners/$ref",
      "DELETE /applications/{id}/owners/{id}/$ref", "POST /applications/{id}/addKey",

      "GET /servicePrincipals(appId)", "PATCH /servicePrincipals(appId)", "DELETE /servicePrincipals/{id}",
      "GET /servicePrincipals/{id}/appRoleAssignments", "POST /servicePrincipals/{id}/appRoleAssignedTo",
      "DELETE /servicePrincipals/{id}/appRoleAssignedTo/{id}",

      "GET /roleManagement/directory/roleAssignments", "POST /roleManagement/directory/roleAssignments",
      "DELETE /roleManagement/directory/roleAssignments/{id}", "GET /roleManagement/directory/roleDefinitions",
      "GET /roleManagement/directory/roleEligibilityScheduleInstances",
      "GET /roleManagement/directory/roleAssignmentScheduleInstances",
      "GET /roleManagement/directory/roleAssignmentScheduleRequests",
      "POST /roleManagement/directory/roleAssignmentScheduleRequests",

      "GET /users/{id}", "GET /groups", "GET /groups/{id}", "GET /groups/{id}/owners",
      "GET /groups/{id}/transitiveMembers/microsoft.graph.user",
      "GET /identityGovernance/privilegedAccess/group/eligibilityScheduleInstances",
    },
    scopes = {
      "Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All", "RoleManagement.ReadWrite.Directory",
      "User.Read.All", "GroupMember.Read.All", "Directory.Read.All", "Policy.Read.All", "Organization.Read.All",
      "PrivilegedEligibilitySchedule.Read.AzureADGroup",
    },
    when = { purge = { graph = { "DELETE /directory/deletedItems/{id}" } } }, -- destroy --purge
  },

  steps = {
    step "Sign in" (function(run, have)
      have.admin = admin.sign_in(run)
      run:note("signed in as %s", have.admin.principal.name)
    end),

    step "Pre-flight" (function(run, have, args)
      have.wanted = application { name = args.name, client_id = args.client_id, workflow = run.id }
      have.found = rotator.look(run, have, args)
      have.declared = api_permissions.look_up(have.found.graph, have.found.permissions)
    end),

    step "App registration" (function(run, have)
      have.application = run:ensure(have.wanted)
    end),

    step "Service principal" (function(run, have, args)
      have.principal = run:ensure(service_principal.of { name = args.name, application = have.application })
    end),

    step "API permissions" (function(run, have, args)
      run:ensure(api_permissions.of { name = args.name, application = have.application, permissions = have.declared })
    end),

    step "Admin consent" {
      beside = true,
      function(run, have, args)
        consent.ensure(run, {
          name = args.name, application = have.application, principal = have.principal, permissions = have.declared,
          graph = have.found.graph, admin = have.admin,
        })
      end,
    },

    step "Ownership" {
      beside = true,
      function(run, have)
        local owners = {}
        for i, owned in ipairs(have.found.owned) do
          owners[i] = owner.of { application = have.application, principal = have.principal, owned = owned }
        end
        run:all(owners)
      end,
    },

    step "Directory role" {
      beside = true,
      function(run, have, args)
        rotator.explain_roles(run, have.found)
        directory_role.ensure(run, {
          name = args.name, application = have.application, principal = have.principal, roles = have.found.roles,
          admin = have.admin, justification = args.justification, pim = have.found.pim,
          premium = have.found.premium,
        })
      end,
    },

    step "Certificate" {
      settled = true,
      function(run, have, args)
        have.certificate = certificate.ensure(run, {
          application = have.application, name = args.name, policy = have.found.policy, path = args.key_file,
          used_here = true, lifetime = args.lifetime, renew_before = args.renew_before, grace = args.grace,
        })
      end,
    },

    step "Proof" (function(_, have)
      have.certificate:prove(have.found.permissions)
    end),

    step "Key" (function(_, have)
      have.certificate:place()
    end),

    step "Profile" (function(run, have, args)
      if run.mode == "destroy" then return end
      rotator.tell_profile(run, { client_id = tostring(have.application.appId), path = args.key_file })
    end),
  },
}
