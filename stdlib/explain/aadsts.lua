--- The AADSTS numbers of the Microsoft identity platform: what they mean, and what to do.
---
--- `source`: "docs" is Microsoft Learn, "Microsoft Entra authentication and authorization error codes", or the page
--- that is named beside the entry; "field" is what several public tools report and no page of Microsoft says. Microsoft
--- may change the meaning of a number: show it, and branch on it only where nothing else tells the cases apart.
---
--- Marks, for `explain.login_codes`:
--- - `new`: an application, service principal or credential that was made a moment ago is refused so until the login
---   service knows it everywhere;
--- - `policy`: a policy of the tenant refuses the sign-in;
--- - `wraps`: the number says only that something is wrong; another number of the same answer says what;
--- - `kind`: the kind of failure, where the HTTP status does not say it;
--- - `application_fix`: the fix where an application signs in; `fix` is for a person then.

return {
  -- The tenant and the endpoint
  { codes = { 90002 }, source = "docs", cause = "there is no such tenant at this login service",
    fix = "Check `tenant` in the profile; if it is right, the tenant is in another cloud: check `cloud`." },
  { codes = { 90038 }, source = "docs", cause = "the tenant belongs to another national cloud",
    fix = "Choose that cloud with `cloud` in the profile." },
  { codes = { 900023 }, source = "field", cause = "the tenant's name is malformed",
    fix = "Write `tenant` in the profile as a domain name or as a GUID." },
  { codes = { 9001023, 50194 }, source = "docs", cause = "this sign-in needs a particular tenant, not \"common\"",
    fix = "Name the tenant in the profile by its domain name or GUID." },
  { codes = { 900144, 9002313, 90014, 90100 }, source = "docs", cause = "the request was malformed",
    fix = "This is a defect of Moonlatch: please report it with the trace id." },

  -- The application
  { codes = { 700016, 700011 }, source = "docs", new = true,
    cause = "this tenant knows no application with this client id",
    fix = "Check `client_id` and `tenant`. An application made a moment ago may take some minutes to be known." },
  -- learn.microsoft.com/microsoftteams/platform/teams-sdk/teams/app-authentication/troubleshooting
  { codes = { 7000229 }, source = "docs", new = true, cause = "the application has no service principal in this tenant",
    fix = "If the application or its service principal was made a moment ago, run this again in some minutes. Otherwise"
      .. " create the service principal (`{moonlatch} doctor` tells whether it is there): an application is listed "
      .. "under Enterprise applications once it has one." },
  { codes = { 70001, 7000112, 1000031 }, source = "docs", cause = "the application is disabled in this tenant",
    fix = "Enable it: Enterprise applications, the application, Properties, Enabled for users to sign in." },
  { codes = { 50105 }, source = "docs", cause = "the application is open only to those assigned to it",
    fix = "Assign the person or group to it, or turn off \"Assignment required\" for it." },
  { codes = { 500011 }, source = "docs", cause = "the tenant does not know the API that the token is for",
    fix = "Check `graph` and `cloud` in the profile: each cloud has a Graph address of its own." },
  { codes = { 700022 }, source = "docs", cause = "the request named more than one API",
    fix = "Ask for the permissions of one API at a time." },
  { codes = { 70011, 28002 }, source = "docs", cause = "a permission that was asked for does not exist",
    fix = "Check the names of the permissions in the script's needs." },
  { codes = { 1002012 }, source = "field", cause = "an application must ask for its permissions as a whole",
    fix = "This is a defect of Moonlatch: please report it with the trace id." },

  -- Its secret
  { codes = { 7000215 }, source = "docs", new = true, cause = "the client secret is not valid",
    fix = "Use the secret's value, not its id. One made a moment ago may take some minutes to work." },
  { codes = { 70002 }, source = "docs", new = true, wraps = true, cause = "the client secret is not valid",
    fix = "Use the secret's value, not its id. One made a moment ago may take some minutes to work." },
  { codes = { 7000222 }, source = "docs", cause = "the client secret has expired",
    fix = "Rotate it, or add a new one to the application and put that into the profile's sign_in." },
  { codes = { 7000218, 7000216 }, source = "docs", cause = "the application is not a public client, so it needs a"
    .. " credential",
    fix = "Turn on \"Allow public client flows\" for it (Authentication), or sign in with a secret." },
  { codes = { 700025 }, source = "docs", cause = "the application is a public client and may not send a secret",
    fix = "Use method = \"device_code\" with it, or another application." },

  -- Its certificate or federated credential
  { codes = { 700027 }, source = "docs", new = true,
    cause = "the signature was not made with a certificate of the application",
    fix = "Check which certificate the application has. One added a moment ago may take some minutes." },
  { codes = { 700023 }, source = "field", cause = "the signed assertion is meant for another endpoint",
    fix = "Check `tenant` and `cloud` in the profile: the assertion names the endpoint that they make." },
  { codes = { 700024 }, source = "field", cause = "the signed assertion is not valid at this time",
    fix = "Set this computer's clock right." },
  { codes = { 50012, 700030 }, source = "docs", cause = "the certificate is not one the application accepts",
    fix = "Add this certificate to the application, or use the one that is there." },
  { codes = { 70021, 700213, 700212, 700211 }, source = "field", new = true,
    cause = "no federated credential of the application fits",
    fix = "Compare issuer, subject and audience letter by letter. A new one may take some minutes to work." },
  { codes = { 700229 }, source = "docs", cause = "a token of this kind cannot be a federated credential",
    fix = "Use a token made for api://AzureADTokenExchange." },

  -- Consent
  { codes = { 65001 }, source = "docs", cause = "nobody has consented to the permissions that are asked for",
    fix = "Have an administrator grant consent to the application. Where AuditLog.Read.All alone is missing, because "
      .. "consent was given before logs were read: add --no-evidence." },
  { codes = { 650056, 650057 }, source = "docs", cause = "the application does not list a permission of this API",
    fix = "Add the permission to the application (API permissions), then grant consent." },
  { codes = { 90094, 90095 }, source = "docs", cause = "an administrator has to consent first",
    fix = "Have an administrator grant consent to the application." },
  { codes = { 65004 }, source = "docs", cause = "the person declined to consent",
    fix = "Sign in again and accept, or have an administrator grant consent." },
  { codes = { 50011, 900971 }, source = "docs", cause = "the address to return to is not registered with the"
    .. " application",
    fix = "Add http://localhost to its redirect addresses (Mobile and desktop applications)." },

  -- Codes
  { codes = { 501481, 50147 }, source = "docs", cause = "the answer does not belong to this sign-in",
    fix = "Sign in again, in one browser window." },
  { codes = { 54005 }, source = "docs", cause = "the code was used already", fix = "Sign in again." },
  { codes = { 70016 }, source = "docs", cause = "nobody has signed in with the code yet",
    fix = "Open the page shown and enter the code." },
  { codes = { 70018 }, source = "docs", cause = "the code is not valid",
    fix = "Run the command again for a new code." },
  { codes = { 70019, 70020 }, source = "docs", cause = "nobody signed in with the code before it expired",
    fix = "Run the command again for a new code. If the page said that you do not have access (53003), a Conditional"
      .. " Access policy blocks device codes: use method = \"browser\", or sign in as an application." },

  { codes = { 70000 }, source = "docs", cause = "the code or the refresh token is not valid",
    fix = "Sign in again: {moonlatch} login." },

  -- The person
  { codes = { 50034, 50020, 51004, 16000 }, source = "docs", cause = "this tenant has no such user",
    fix = "Sign in with an account of this tenant." },
  { codes = { 50126 }, source = "docs", cause = "the user name or password is wrong", fix = "Sign in again." },
  { codes = { 50053 }, source = "docs", cause = "the account is locked after too many wrong passwords",
    fix = "Wait, or have an administrator look at the sign-in log." },
  { codes = { 50055, 50144 }, source = "docs", cause = "the password has expired",
    fix = "Change it, then sign in again." },
  { codes = { 120002, 120003, 120018 }, source = "docs",
    cause = "the new password is too weak, banned, or holds the name", fix = "Choose another." },
  { codes = { 50056 }, source = "docs", cause = "the account has no password in this directory",
    fix = "Sign in the way the organization does (federated or without password)." },
  { codes = { 50057 }, source = "docs", cause = "the account is disabled", fix = "Enable it, or use another." },
  { codes = { 50072, 50074, 50076, 50078, 50079 }, source = "docs",
    cause = "the sign-in needs a second factor", fix = "Sign in again and confirm it. Nothing unattended can do"
      .. " this." },
  { codes = { 50158 }, source = "docs", cause = "an external provider has to confirm the sign-in",
    fix = "Sign in again in a browser." },
  { codes = { 50173, 50132, 50133, 50089, 70008, 700082, 70043 }, source = "docs",
    cause = "the sign-in is not valid any more: it expired, or was revoked (a new password revokes it)",
      fix = "Sign in again: {moonlatch} login." },

  -- Policy
  { codes = { 53000, 53001 }, source = "docs", policy = true,
    cause = "a Conditional Access policy requires a managed device",
    fix = "A device code never proves a device: sign in with method = \"browser\" on one that is managed, or as an "
      .. "application." },
  { codes = { 53003 }, source = "docs", cause = "a Conditional Access policy blocks this sign-in",
    fix = "Many tenants block device codes: try method = \"browser\", or sign in as an application. The sign-in log "
      .. "names the policy.", policy = true,
    application_fix = "Have the policy exclude this application, or sign in from an address that the policy allows. The"
      .. " sign-in log (Service principal sign-ins) shows the attempt under its correlation id." },
  { codes = { 53004, 530032, 530034, 530035 }, source = "docs", policy = true,
    cause = "a security policy of the tenant blocks this sign-in",
    fix = "Have an administrator look at the sign-in log: it names the policy." },

  -- Microsoft's side
  { codes = { 50196 }, source = "docs", cause = "the same token was asked for too often",
    fix = "Wait some minutes. If it happens again, report it as a defect with the trace id." },
  { codes = { 90033, 90006, 90012, 90024, 50033 }, source = "docs", kind = "transient",
    cause = "the login service is in trouble",
    fix = "Try again in some minutes." },
  -- Microsoft's list: "Graph returned with a forbidden error code"; cnbeining/onedrivecmd issue 67 has the quota
  { codes = { 90093 }, source = "field",
    cause = "Graph refused what the sign-in asked of it, such as a new object beyond the tenant's quota",
    fix = "The message says why; the sign-in log has more, under the correlation id." },
  { codes = { 90055 }, source = "docs", kind = "throttled", cause = "the tenant asks for too many tokens at once",
    fix = "Wait some minutes, and do less at once." },
}
