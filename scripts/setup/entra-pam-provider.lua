--- Create an Entra ID PAM provider for Devolutions: the vendor's how-to, as ten steps.
--
-- The steps have the order of the how-to, except that the client secret comes late: a secret is made only when
-- everything that it needs exists. Each step reads, compares, and acts on the difference.

local admin = require "entra.admin"
local api_permissions = require "entra.api_permissions"
local application = require "entra.application"
local consent = require "entra.consent"
local directory_role = require "entra.directory_role"
local first_reset = require "setup.first_reset"
local latest_changes = require "setup.latest_changes"
local preflight = require "setup.preflight"
local reach = require "entra.reach"
local rotation = require "rotation"
local service_principal = require "entra.service_principal"
local sink = require "sink"
local workflow = require "workflow"

local step = workflow.step

return workflow.declare {
  id = "setup/entra-pam-provider",
  summary = "Create an Entra ID PAM provider for Devolutions",

  args = {
    name = {
      type = "string", default = "Devolutions PAM",
      help = "name of the application, of the entry, and of the provider in Devolutions",
    },
    description = { type = "string", help = "description of the client secret and of the provider" },
    client_id = { type = "string", help = "adopt the application with this client id, instead of creating one" },
    in_use = {
      type = "string",
      help = "with --client-id: the Secret ID of the client secret that a person gave to Devolutions, or none",
    },
    managed = {
      type = "list",
      help = "the accounts to manage: name or id of a group, or user names; they decide which roles are needed",
      ask = "Which accounts is Devolutions to manage? A group's name or id, or user names, separated by commas",
    },
    jit_elevation = {
      type = "boolean", default = true,
      help = "allow just-in-time elevation: " .. api_permissions.ELEVATION
        .. ", which can make its holder Global Administrator",
      ask = "Is just-in-time elevation wanted? It takes " .. api_permissions.ELEVATION .. ", which can make its "
        .. "holder Global Administrator; without it RoleManagement.Read.Directory serves.",
    },
    justification = {
      type = "string", default = "Devolutions PAM resets the passwords of the accounts it manages",
      help = "reason for assigning the directory roles; Entra's audit log records it",
    },
    lifetime = {
      type = "duration",
      help = "lifetime of a client secret (default: 180 days, or a year where a person has to paste it; less where the "
        .. "tenant allows less)",
    },
    renew_before = {
      type = "duration",
      help = "make a new client secret this long before the old one expires (default: 30 days, at most a third of its "
        .. "life)",
    },
    grace = { type = "duration", default = "7d", help = "keep the old secret this long after the new one is in use" },
    rhythm = {
      type = "duration",
      help = "the consumer of the client secret signs in at least this often, such as 1d: silence for twice as long "
        .. "and ten days more then shows in Entra's log that nothing uses an old one",
    },
    retire_unused = {
      type = "boolean", default = false,
      help = "with --rhythm: remove a replaced client secret once Entra's log shows that nothing uses it; without, it "
        .. "stays until a person confirms the new one, or until it expires",
    },
    vault = { type = "string", help = "vault of Devolutions Server (default: the profile's)" },
    path = { type = "folder", help = "folder in the vault, parts separated by \\ (default: the profile's)" },
    prove_on = {
      type = "string",
      help = "a test user, whose password the application sets once with its new secret; nobody keeps that password",
    },
    evidence = {
      type = "boolean", default = true,
      help = "read Entra's logs of sign-ins and changes, to see which client secret is in use (AuditLog.Read.All)",
    },
    secret_file = { type = "path", help = "write the client secret to this new file, to paste it from there" },
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
      "POST /applications/{id}/addPassword", "POST /applications/{id}/removePassword",

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
      "User.Read.All", "Group.Read.All", "Policy.Read.All", "Organization.Read.All",
      "PrivilegedEligibilitySchedule.Read.AzureADGroup",
    },
    devolutions = { "vaults:read", "entries:read", "entries:write" },
    when = {
      prove_on = { graph = { "PATCH /users/{id}#passwordProfile" } },
      purge = { graph = { "DELETE /directory/deletedItems/{id}" } }, -- destroy --purge
      evidence = {
        graph = {
          "GET /auditLogs/directoryAudits", "GET /beta/auditLogs/signIns",
          "GET /beta/reports/appCredentialSignInActivities", "GET /beta/reports/servicePrincipalSignInActivities",
        },
        scopes = { "AuditLog.Read.All" },
      },
    },
  },

  steps = {
    step "Sign in" (function(run, have, args)
      -- this begins to read Devolutions Server, and does not wait for the answer
      have.entry = sink.entry(run, { name = args.name, vault = args.vault, path = args.path })
      have.admin = admin.sign_in(run)
      run:note("signed in as %s", have.admin.principal.name)
      if args.evidence then
        run:note "reads Entra's logs to see which client secret is in use (AuditLog.Read.All; not with --no-evidence)"
      end
    end),

    step "Pre-flight" (function(run, have, args)
      have.wanted = application { name = args.name, client_id = args.client_id, workflow = run.id }
      have.permissions = api_permissions.of_provider(args.jit_elevation)
      have.found = preflight.look(run, have, args)
      have.declared = api_permissions.look_up(have.found.graph, have.permissions)
    end),

    step "App registration" (function(run, have)
      have.application = run:ensure(have.wanted)
    end),

    step "Service principal" (function(run, have, args)
      have.principal = run:ensure(service_principal.of { name = args.name, application = have.application })
    end),

    step "API permissions" (function(run, have, args)
      api_permissions.tell_elevation(run, args.jit_elevation)
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

    step "Roles and administrators" {
      beside = true,
      function(run, have, args)
        have.roles = reach.explain(run, have.found.accounts, args.managed)
        have.held = directory_role.ensure(run, {
          name = args.name, application = have.application, principal = have.principal, roles = have.roles,
          admin = have.admin, justification = args.justification, pim = have.found.pim,
          premium = have.found.premium,
        })
      end,
    },

    step "Client secret" {
      settled = true,
      function(run, have, args)
        have.secret = rotation.client_secret(run, {
          application = have.application, name = args.name, description = args.description, sink = have.entry,
          policy = have.found.policy, lifetime = args.lifetime, renew_before = args.renew_before, grace = args.grace,
          in_use = args.in_use, rhythm = args.rhythm, retire_unused = args.retire_unused,
          by_hand = not (have.entry and have.entry:confirms()),
        })
      end,
    },

    step "Proof" (function(run, have)
      have.secret:prove(have.permissions)
      first_reset.show(run, have.secret, have.found.test_user)
      if have.held then run:note("the directory shows that it holds %s", table.concat(have.held, ", ")) end
      reach.report(run, have.found.accounts, have.roles)
    end),

    step "Devolutions" (function(run, have, args)
      sink.deliver(run, have.secret, {
        entry = have.entry, name = args.name, description = args.description, secret_file = args.secret_file,
        tenant = have.found.tenant, client_id = have.application.appId, application = have.application.id,
        roles = have.roles, elevation = args.jit_elevation, renew_before = args.renew_before,
        managed = args.managed, accounts = have.found.accounts,
        principal = have.principal and have.principal.id or nil,
      })
      latest_changes.note(run, have)
    end),
  },
}
