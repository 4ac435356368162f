--- The calls that read evidence, as `needs` declares them, with the permission that they need.

local M = {}

--- For accounts: who changed their passwords.
M.ACCOUNTS = { "GET /auditLogs/directoryAudits" }

--- For applications: who signs in with which credential, and who changed their credentials.
M.APPLICATIONS = {
  "GET /auditLogs/directoryAudits", "GET /beta/auditLogs/signIns", "GET /beta/reports/appCredentialSignInActivities",
  "GET /beta/reports/servicePrincipalSignInActivities",
}

M.SCOPES = { "AuditLog.Read.All" }

return M
