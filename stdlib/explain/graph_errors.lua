--- The errors of Microsoft Graph: what they mean, and what to do. The first rule that fits applies.
---
--- A rule may ask for the `code`, `status`, `kind`, a part of the message (`text`), the `method`, a Lua pattern of the
--- `path`, a top-level `member` of the body, or that host.graph knows from the text that it `exists`. A rule for a
--- whole kind lists the `usual` codes of that kind: with any other code, its cause is only what the status often means.
--- `source`: "docs" is Microsoft Learn (Graph's error responses and the page of the call), "field" is what public tools
--- report; where that is one report, the entry names it.

-- Azure/azure-cli issue 28734
local LOCKED = "the application locks this property of its service principals (servicePrincipalLockConfiguration)"
local UNLOCK = "Change it at the application instead, or have its owner lift the lock: App registrations, the"
  .. " application, Authentication, App instance property lock."

return {
  -- Passwords of users
  { code = "Authorization_RequestDenied", path = "^/users[/(]", member = "passwordProfile", source = "docs",
    cause = "we may not set this person's password: the permission User-PasswordProfile.ReadWrite.All is missing from"
      .. " the token, or the person holds a role that ours does not outrank",
    fix = "Grant the permission. For administrators, also assign the application a directory role that may reset them:"
      .. " Privileged Authentication Administrator may reset all." },
  { status = 400, text = "password complexity", source = "field",
    cause = "the tenant's password policy refuses this password",
    fix = "Let it be longer in the policy file: password = { length = 32 }." },
  { status = 400, member = "passwordProfile", text = "on-premises mastered", source = "field",
    cause = "the account is mastered on premises, so Entra does not set its password",
    fix = "Exclude it here, and rotate it in Active Directory." },
  { status = 400, member = "passwordProfile", text = "password", source = "field",
    cause = "the tenant's password policy refuses this password",
      fix = "Let it be longer in the policy file: password = { length = 32 }." },

  -- Credentials of applications
  { code = "CredentialTypeNotAllowedAsPerAppPolicy", source = "field",
    cause = "a policy of the tenant allows applications no client secrets",
    fix = "Have the tenant's app management policy exempt this application." },
  { code = "CannotUpdateLockedServicePrincipalProperty", source = "field", cause = LOCKED, fix = UNLOCK },
  { code = "CannotUpdateLockedServicePrincipalPropertyWithEnforcementScope", source = "field", cause = LOCKED,
    fix = UNLOCK },
  { code = "CredentialInvalidLifetimeAsPerAppPolicy", source = "field",
    cause = "a policy of the tenant allows client secrets only a shorter life",
    fix = "Ask for a shorter life, or have the tenant's app management policy exempt this application." },
  { code = "InvalidUniqueTenantIdentifierAsPerAppPolicy", source = "field",
    cause = "a policy of the tenant requires its domain or id in the application's identifier",
    fix = "Use an identifier with a verified domain, the tenant's id or the application's id." },
  { code = "SignInAudienceNotAllowedAsPerAppPolicy", source = "field",
    cause = "a policy of the tenant allows no application of this audience",
    fix = "Make it for accounts of this organization only (AzureADMyOrg)." },

  -- Granting
  { code = "Authorization_RequestDenied", path = "/appRoleAssign", method = "POST", source = "docs",
    cause = "we are not allowed to grant application permissions",
    fix = "Sign in as a Privileged Role Administrator or Global Administrator, with AppRoleAssignment.ReadWrite.All." },
  -- hashicorp/terraform-provider-azuread issue 611, and others who lacked a role
  { code = "Authorization_RequestDenied", text = "backing application of the service principal being created",
    source = "field",
    cause = "Entra does not know the application yet, or we may not create service principals: the words are the same",
    fix = "If the application was made a moment ago, run this again in some minutes. If it stays so, see what the"
      .. " script needs with `{moonlatch} permissions`." },
  { text = "PermissionScopeNotGranted", source = "field", -- hashicorp/terraform-provider-azuread issue 1727
    cause = "a permission is missing from the token",
    fix = "See what the script needs with `{moonlatch} permissions`. A permission granted a moment ago is only in "
      .. "tokens made after it." },
  { code = "Authorization_RequestDenied", path = "^/roleManagement/", source = "docs",
    cause = "we are not allowed to read or assign directory roles",
    fix = "Sign in as a Privileged Role Administrator, with RoleManagement.ReadWrite.Directory (to read:"
      .. " RoleManagement.Read.Directory)." },
  { code = "RoleAssignmentRequestPolicyValidationFailed", source = "field",
    cause = "the role's own settings refuse the request",
    fix = "The message names the rules that failed; see the role's settings in Privileged Identity Management." },
  { code = "RoleAssignmentRequestAcrsValidationFailed", source = "field",
    cause = "the role's settings ask for a stronger sign-in (an authentication context)",
    fix = "Sign in again as the role's settings in Privileged Identity Management ask." },
  { code = "AadPremiumLicenseRequired", source = "field", cause = "the tenant lacks the licence this needs (Entra ID"
    .. " P2 or Governance)",
    fix = "Use a permanent assignment instead of Privileged Identity Management, or get the licence." },
  { code = "ActiveDurationTooShort", source = "field", cause = "an assignment cannot be removed in its first"
    .. " five minutes",
    fix = "Run this again in five minutes." },

  -- Reports. In the field also for people in tenants without the licence.
  { code = "Authentication_RequestFromNonPremiumTenantOrB2CTenant", source = "field",
    cause = "the tenant lacks the licence that this list needs (Entra ID P1 or P2)",
    fix = "Do without it, or get the licence. A new licence may take up to three days to count." },
  { code = "Authentication_RequestFromUnsupportedUserRole", source = "field",
    cause = "the signed-in person holds no role that may read reports, or the tenant lacks the licence for them",
    fix = "Have Reports Reader assigned to the person, or sign in as an application with AuditLog.Read.All." },
  { code = "Authentication_MSGraphPermissionMissing", source = "field",
    cause = "a permission is missing from the token",
    fix = "See what the script needs with `{moonlatch} permissions`. A permission granted a moment ago is only in "
      .. "tokens made after it." },

  -- Who we are
  { code = "insufficient_claims", source = "docs", cause = "a Conditional Access policy requires a stronger"
    .. " sign-in",
    fix = "Sign in again as the policy requires, or have the policy exclude this application." },
  { code = "Authorization_IdentityNotFound", source = "docs",
    cause = "the tenant does not know the signed-in application or user (yet)",
    fix = "If the application was made a moment ago, run this again in some minutes." },
  { code = "InvalidAuthenticationToken", source = "docs", cause = "Graph does not accept the sign-in, not even a new"
    .. " one",
    fix = "Check `graph` and `cloud` in the profile, and this computer's clock; then sign in again." },
  { code = "Authorization_RequestDenied", source = "docs",
    cause = "we are not allowed to do this: a permission is missing from the token, a directory role is missing, "
      .. "or the target outranks us",
    fix = "See what the script needs with `{moonlatch} permissions`, and who we are with `{moonlatch} whoami`."
      .. " A permission granted a moment ago is only in tokens made after it." },
  { kind = "auth", source = "docs", cause = "Graph does not accept the sign-in, not even a new one",
    fix = "Sign in again: {moonlatch} login." },
  { kind = "denied", source = "docs", usual = { "UnknownError", "AccessDenied", "accessDenied", "Forbidden" },
    cause = "we are not allowed to do this",
    fix = "See what the script needs with `{moonlatch} permissions`, and who we are with `{moonlatch} whoami`." },

  -- The request
  { code = "Request_UnsupportedQuery", source = "docs", cause = "this query needs Graph's advanced query mode",
    fix = "Use consistency = \"eventual\" and count = true with it." },
  { code = "Directory_ExpiredPageToken", source = "docs", cause = "reading the list took so long that its place was"
    .. " lost",
    fix = "Run this again, with a narrower filter if it stays so." },
  { code = "Directory_ResourceSizeExceeded", source = "field", -- microsoftgraph/microsoft-graph-docs issue 21469
    cause = "the object has no room for another value (such as a credential, an owner or a permission)",
    fix = "Remove expired credentials first: Entra admin center > App registrations > the application > Certificates &"
      .. " secrets." },
  { code = "Directory_QuotaExceeded", source = "docs", cause = "the directory, or the creator of these objects, has"
    .. " too many objects",
    fix = "Remove what is not needed (deleted objects count for 30 days), or have the quota raised." },
  { code = "Directory_ConcurrencyViolation", source = "docs",
    cause = "somebody else changed the same object at the same time",
    fix = "Run this again." },
  { code = "Request_MultipleObjectsWithSameKeyValue", source = "docs", cause = "it exists already",
    fix = "Run this again: the present state is read first." },
  { text = "Another object with the same value for property", source = "field",
    cause = "another object has the same value", fix = "Choose another value, or look at the object that has it." },
  { exists = true, source = "field", cause = "it exists already",
    fix = "Run this again: the present state is read first." },
  { code = "RoleAssignmentDoesNotExist", source = "field", cause = "there is no such role assignment",
    fix = "Run this again: the present state is read first." },
  { kind = "conflict", source = "docs", usual = { "Request_Conflict", "Conflict", "UnknownError" },
    cause = "it is so already, or somebody else changed it at the same time",
    fix = "Run this again: the present state is read first." },
  -- pnp/cli-microsoft365, info-get.spec.ts; microsoftgraph/microsoft-graph-docs issue 15839
  { code = "Directory_ObjectNotFound", source = "field",
    cause = "the directory does not know the object or tenant (yet)",
    fix = "Check the name or id. What was made a moment ago may take some minutes to be seen." },
  { kind = "missing", source = "docs", usual = { "Request_ResourceNotFound", "ResourceNotFound", "NotFound",
    "itemNotFound", "UnknownError" }, cause = "the object does not exist, or we may not see it",
    fix = "Check the name or id. What was made a moment ago may take some minutes to be seen." },

  -- Answers that cannot be right
  { kind = "bad_answer", source = "docs", cause = "the answer is not from Microsoft Graph, or was damaged",
    fix = "Check `graph` in the profile, and whether a proxy answers instead." },
  { kind = "refused", source = "docs", cause = "Graph understood this and refuses it",
    fix = "The message says why. Microsoft's support can find the call by its request-id." },
}
