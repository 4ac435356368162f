--- The errors of Microsoft Graph: what they mean, and what to do. The first rule that fits applies.
---
--- A rule may ask for the `code`, `status`, `kind`, a part of the message (`text`), the `method`, a Lua pattern of the
--- `path`, or a top-level `member` of the body. `source`: "docs" is Microsoft Learn (Graph's error responses and the
--- page of the call), "field" is what public tools report.

return {
  -- Passwords of users
  { code = "Authorization_RequestDenied", path = "^/users/", member = "passwordProfile", source = "docs",
    cause = "we may not set this person's password: the permission User-PasswordProfile.ReadWrite.All is missing from"
      .. " the"
      .. " token, or the person holds a role that ours does not outrank",
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
  { code = "Authorization_RequestDenied", path = "^/roleManagement/", source = "docs",
    cause = "we are not allowed to read or assign directory roles",
    fix = "Sign in as a Privileged Role Administrator, with RoleManagement.ReadWrite.Directory (to read:"
      .. " RoleManagement.Read.Directory)." },
  { code = "RoleAssignmentRequestPolicyValidationFailed", source = "field",
    cause = "the role's own settings refuse the request",
    fix = "The message names the rules that failed; see the role's settings in Privileged Identity Management." },
  { code = "AadPremiumLicenseRequired", source = "field", cause = "the tenant lacks the licence this needs (Entra ID"
    .. " P2 or Governance)",
    fix = "Use a permanent assignment instead of Privileged Identity Management, or get the licence." },
  { code = "ActiveDurationTooShort", source = "field", cause = "an assignment cannot be removed in its first"
    .. " five minutes",
    fix = "Run this again in five minutes." },

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
    fix = "See what the script needs with `moonlatch permissions`, and who we are with `moonlatch whoami`."
      .. " A permission granted a moment ago is only in tokens made after it." },
  { kind = "auth", source = "docs", cause = "Graph does not accept the sign-in, not even a new one",
    fix = "Sign in again: moonlatch login." },
  { kind = "denied", source = "docs", cause = "we are not allowed to do this",
    fix = "See what the script needs with `moonlatch permissions`, and who we are with `moonlatch whoami`." },

  -- The request
  { code = "Request_UnsupportedQuery", source = "docs", cause = "this query needs Graph's advanced query mode",
    fix = "Use consistency = \"eventual\" and count = true with it." },
  { code = "Directory_ExpiredPageToken", source = "docs", cause = "reading the list took so long that its place was"
    .. " lost",
    fix = "Run this again, with a narrower filter if it stays so." },
  { code = "Directory_QuotaExceeded", source = "docs", cause = "the directory, or the creator of these objects, has"
    .. " too many objects",
    fix = "Remove what is not needed (deleted objects count for 30 days), or have the quota raised." },
  { code = "Directory_ConcurrencyViolation", source = "docs",
    cause = "somebody else changed the same object at the same time",
    fix = "Run this again." },
  { code = "Request_MultipleObjectsWithSameKeyValue", source = "docs", cause = "it exists already",
    fix = "Run this again: the present state is read first." },
  { kind = "conflict", source = "docs", cause = "it is so already, or somebody else changed it at the same time",
    fix = "Run this again: the present state is read first." },
  { kind = "missing", source = "docs", cause = "the object does not exist, or we may not see it",
    fix = "Check the name or id. What was made a moment ago may take some minutes to be seen." },

  -- Answers that cannot be right
  { kind = "bad_answer", source = "docs", cause = "the answer is not from Microsoft Graph, or was damaged",
    fix = "Check `graph` in the profile, and whether a proxy answers instead." },
  { kind = "refused", source = "docs", cause = "Graph understood this and refuses it",
    fix = "The message says why. Microsoft's support can find the call by its request-id." },
}
