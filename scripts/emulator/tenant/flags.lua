--- What only Microsoft knows, or what differs from tenant to tenant.

local M = {}

--- The switches of an emulated tenant, each tested both ways, and their default values.
M.ALL = {
  -- Must an app that has the directory role hold User-PasswordProfile.ReadWrite.All too, to reset a password?
  -- Microsoft's pages contradict each other (Learn, user-update, 2026-07-04: yes; microsoft-graph-docs#13135: the
  -- role alone works).
  reset_needs_permission = false,
  -- Does an app with that permission need a directory role even for users who hold none? (Learn, user-update: yes;
  -- the include users-passwordprofile-permissions.md and docs PR #9577: no.)
  reset_needs_role = false,
  -- A password for a synced user: "refuse" (microsoft-graph-docs#7301) or "cloud" (204, and only the cloud copy
  -- changes: msgraph-sdk-powershell#1761).
  synced_reset = "refuse",
  -- May an entry of keyCredentials that is there already be written back without its key? (Terraform's azuread
  -- provider does so; not documented.)
  null_key_keeps = true,
  -- How long new passwordCredentials stay out of GET, seconds {min, max} ("can take several minutes": terraform's
  -- azuread provider). false: as any other write.
  secret_hidden = { 5, 60 },
  -- May any member register applications (authorizationPolicy.defaultUserRolePermissions.allowedToCreateApps)?
  users_register_apps = false,
  -- Has the tenant Entra ID P2? Without it PIM calls fail with AadPremiumLicenseRequired.
  premium = true,
  -- Status of that refusal: 400 and 403 were both seen.
  premium_status = 400,
  -- Status of "another object has this key": 409 in the field (see answer.same_key).
  same_key_status = 409,
  -- signInAudience of an application that was created without one: recorded 2025; AzureADandPersonalMicrosoftAccount
  -- was recorded 2022.
  default_audience = "AzureADMyOrg",
  -- Does addPassword take the keyId of the request? Recorded 2021, two of two calls; not tried since. false: it refuses
  -- the request; "ignored": it chooses another one.
  own_key_id = true,
  -- For how long after addPassword does removePassword answer 400 "No password credential found", though the
  -- credential is there? Seconds {min, max} in the field (2026, two projects); false: not at all.
  removal_lag = { 1, 8 },
  -- How many values an application or service principal may hold in all of its lists together: "about 1000" (Microsoft
  -- Learn, supported-accounts-validation, 2024-11); one more is refused with Directory_ResourceSizeExceeded (recorded
  -- 2019 and 2023: microsoftgraph/microsoft-graph-docs#21469). Which lists count is not known; here all of the object.
  object_values = 1000,
  -- What a write to an object is answered that was made a moment ago and cannot be seen yet: this code and status 404.
  -- Directory_ObjectNotFound was seen as well (microsoftgraph/microsoft-graph-docs-contrib#2465, 2022).
  unseen_code = "Request_ResourceNotFound",
  -- Does the delegated permission Directory.AccessAsUser.All allow what the person's roles allow? Older pages of Learn
  -- list it for most calls of the directory (2021); whether it is enough for role assignments is not established.
  access_as_user = true,
  -- How far behind the replicas are that answer some of the reads, seconds: a list read twice then shows an older
  -- state the second time (in the field, 2026: the number of secrets read 0, 1 and 2 in a row). false: never. With a
  -- lag, the emulator that is served has 2.
  reads_flip = false,
  -- For how long is an application that created an object refused with a plain 403, as if it did not own it? Seconds
  -- {min, max}; in the field for POST /servicePrincipals, with another text. false: not at all.
  owner_delay = false,
  -- Does the unique name of a deleted application stay taken (true; microsoftgraph/msgraph-bicep-types#137, 2024), or
  -- can an upsert use it again (false)? How long is not documented; here for the 30 days.
  deleted_keeps_unique_name = true,
  -- Does restoring an application restore its service principal? Not by Graph (directory-deleteditems-restore), by the
  -- portal it does (enterprise-apps/restore-application).
  restore_brings_principal = false,
  -- Writes an app may make: {count, seconds}, as {3000, 150} in Learn, throttling-limits, 2026-02-06. false: no limit.
  write_quota = false,
  -- Does the policy (roleManagementPolicyAssignments) of these role names forbid active assignments without end?
  pim_only = false,
  -- How long an active assignment of such a role may last at most, as its policy says it.
  pim_longest = "P15D",
  -- Does the policy demand a ticket number for these role names?
  pim_ticket = false,
  -- Does the policy demand multifactor authentication of who assigns these role names? Sign-ins here have none.
  pim_mfa = false,
  -- Do an admin's assignments of these role names wait for an approver? Whether that can be is not documented; that
  -- a request may have the status PendingApproval is.
  pim_approval = false,
  -- Does an assignment stay for its first five minutes (ActiveDurationTooShort)? Seen for roles that a person
  -- activates; unknown for assignments by an admin.
  pim_short = false,
  -- Seconds until a granted permission is in an application's tokens (in the field: minutes; not documented).
  token_delay = 0,
  -- Id of the named location that the sign-ins of apps come from (false: none); policies may block there or elsewhere.
  location = false,
  -- Does a failed sign-in tell which credential was tried? Unknown for an expired or wrong secret.
  failed_sign_in_has_key = false,
  -- The clientCredentialType of a sign-in with a certificate: "certificate" or "clientAssertion". Unknown.
  certificate_type = "certificate",
  -- Is the correlationId of a sign-in the client-request-id of the request for the token? Unknown.
  sign_in_keeps_request_id = false,
  -- Seconds {min, max} until a sign-in is in the log; false: at once. In the field minutes (144 s and 154 s to an
  -- export, graph2otel@dfd9ef7, 2026), at worst hours. The emulator that is served with a lag has {120, 300}.
  sign_in_delay = false,
  -- The share of the sign-ins that never are in the log.
  sign_ins_lost = 0,
  -- The same for the directory audits; served with a lag: {30, 120}.
  audit_delay = false,
  audits_lost = 0,
  -- The names under which the audit log records that somebody set a password (no recorded example is known).
  reset_activities = { "Reset user password", "Update user" },
  -- Does the record "Update user" of a changed password name the password among the changed properties? Unknown.
  reset_names_password = true,
  -- Does a refused change of a password leave a record with the result "failure"? Unknown.
  audits_refusals = false,
  -- Can directory audits be filtered by initiatedBy/app/servicePrincipalId? Scripts do so, no page has it.
  audit_filter_principal = false,
  -- The activity of a changed secret or certificate of an application: with an en dash and a blank at the end
  -- (elastic/integrations@0c1eadf, 2022); Microsoft's list has a hyphen (reference-audit-activities).
  credentials_activity = "Update application – Certificates and secrets management ",
  -- Has the tenant Entra ID P1? P2 contains it: a tenant without P1 has `premium` false as well. Without P1 sign-ins
  -- and reports are refused, and audits are kept for 7 days, not 30 (reference-reports-data-retention, 2026-01).
  p1 = true,
  -- Seconds after the end of a UTC day until that day is in the reports: the newest use that they show is 6 to 30
  -- hours old. At most eight days.
  report_delay = 6 * 3600,
  -- The share of the rows that the reports lack.
  report_lost = 0,
  -- Do the reports have rows of credentials that were never used? Unknown; one program expects them.
  report_has_unused = false,
  -- Is a failed sign-in the last one in the report, too? Unknown.
  report_counts_failures = false,
  -- Has each credential a second row, with the origin servicePrincipal and without a use? Two programs expect it.
  report_doubles = false,
  -- Can the report on credentials be filtered? Three editions of its page differ; without, 400.
  report_filters = true,
  -- Can the counted sign-ins be filtered? Their page names no option; newer pages filter by appId. Without, 400.
  counted_filters = true,
  -- Is a filtered answer one object, as in the example of its page, instead of a list?
  report_bare = false,
  -- The keyType of a secret: "password" on the wire (2026), "clientSecret" in the documentation.
  report_key_type = "password",
  -- Is the id made of key id and origin, as documented, instead of the key id alone, as on the wire?
  report_id_has_origin = false,
  -- The member with the credential's end: expirationDateTime on the wire, expirationDate in the examples.
  report_end = "expirationDateTime",
  -- What the reports answer without Entra ID P1: a status, or "empty" for an empty list. Unknown.
  unlicensed_report = 403,
  -- Is the tenant in a national cloud, where the reports on credentials do not exist? Of the sign-ins of applications,
  -- listed or counted, no edition of their pages says so; in this emulator they do not exist there either.
  national_cloud = false,
  -- Requests to the logs and reports that an application may make: {count, seconds} (Learn, throttling-limits).
  report_quota = { 5, 10 },
  -- The address from which requests through the socket come, unless their header X-Emulator-Address names another;
  -- false: 127.0.0.1.
  address = false,
}

return M
