--- The beliefs about the real services that could not be tried where Moonlatch was built, each with the call that
--- settles it. `doctor --first-contact` makes the calls that only read.

local fail = require "fail"
local graph = require "graph"
local licence = require "entra.licence"
local log = require "log"
local oauth = require "oauth.sign_in"
local peers = require "doctor.peers"
local profiles = require "profile.current"
local report = require "report"
local server = require "devolutions.server"

local M = {}

---@class doctor.belief
---@field id string
---@field belief string
---@field doubt string why the belief is not certain
---@field call string the one call that settles it
---@field settle nil|fun(profile: profile): boolean?, string reads only; true: the belief holds, false: it does not,
--- nil: still open

-- Call `fn`, and return the failure that it raises; nil when it raises none.
local function failure_raised_by(fn, ...)
  local ok, err = pcall(fn, ...)
  if ok then return nil end
  if not fail.is(err) or fail.is(err, "interrupted") then error(err, 0) end
  return err
end

local function settle_by_answer(path, options, read)
  local failure = failure_raised_by(read or graph.first, path, options)
  if not failure then return true, "it was answered" end
  if failure.kind == "denied" or licence.is_missing(failure) then return nil, failure.why end
  return false, failure.why
end

local function settle_premium_status()
  local failure = failure_raised_by(graph.first, "/roleManagement/directory/roleEligibilityScheduleInstances", {
    what = "read who is eligible",
  })
  if not failure then return nil, "this tenant has the licence, so it is not refused" end
  if not licence.is_missing(failure) then return nil, failure.why end
  return true, ("refused with status %s"):format(tostring(failure.status))
end

local NO_SERVER = "the profile names no Devolutions Server"

local function has_devolutions_server(current) return current.devolutions and current.devolutions.server end

local function settle_paging(current)
  if not has_devolutions_server(current) then return nil, NO_SERVER end
  server.login(current)
  local vaults = server.vaults() -- fails when the server answers with another page than the one asked for
  return #vaults > 100 and true or nil, #vaults > 100 and "the second page came when asked for"
    or ("there are %d vaults, so one page holds them all"):format(#vaults)
end

local function settle_server_version(current)
  if not has_devolutions_server(current) then return nil, NO_SERVER end
  server.login(current)
  return true, "version " .. server.info().version
end

local function settle_login_date(current)
  local peer = peers.login(current)
  if not peer.ahead then return false, "the answer has no Date" end
  return true, ("its clock and ours differ by %.0f seconds"):format(math.abs(peer.ahead))
end

local function settle_status_without_token(current)
  return true, ("status %d"):format(peers.graph(current).status)
end

local function settle_roles_in_token()
  local wids = oauth.claims().wids
  if type(wids) == "table" then return true, ("%d role ids in the token in use"):format(#wids) end
  return false, "the token in use has no wids"
end

local GROUP_CAST = "/groups/{id}/transitiveMembers/microsoft.graph.user"

local function settle_group_cast()
  local group = graph.first("/groups", { select = { "id" }, what = "find any group" })
  if not group then return nil, "there is no group" end
  return settle_by_answer(graph.path(GROUP_CAST, group.id), { select = { "id" }, count = true, consistency = "eventual",
    what = "read a group's users" })
end

local ELIGIBLE_IN_GROUPS = "/identityGovernance/privilegedAccess/group/eligibilityScheduleInstances"

local function eligible_for_groups()
  local group = graph.first("/groups", {
    filter = "isAssignableToRole eq true", select = { "id" }, what = "find a role-assignable group",
  })
  if not group then return nil, "there is no role-assignable group" end
  return settle_by_answer(ELIGIBLE_IN_GROUPS, {
    filter = graph.filter("groupId eq %s", group.id), what = "read who is eligible for a group",
  })
end

---@type doctor.belief[]
M.beliefs = {
  { id = "login-date", belief = "the login service says its time in each answer", doubt = "not promised anywhere",
    call = "GET {login}/{tenant}/v2.0/.well-known/openid-configuration", settle = settle_login_date },
  { id = "graph-401", belief = "Graph answers 401 to a request without a token", doubt = "seen in the field only",
    call = "GET /organization without a token", settle = settle_status_without_token },
  { id = "wids", belief = "tokens list the directory roles held (wids)",
    doubt = "documented for people, not for applications",
    call = "any sign-in; look at the claim wids", settle = settle_roles_in_token },
  { id = "restricted-member", belief = "users tell whether a restricted unit holds them (isManagementRestricted)",
    doubt = "it is in the schema, and on no page",
    call = "GET /users?$select=id,isManagementRestricted&$top=1", settle = function()
      return settle_by_answer("/users",
        { select = { "id", "isManagementRestricted" }, top = 1, what = "read isManagementRestricted" })
    end },
  { id = "group-cast", belief = "the users in a group, nested ones too, come by a cast with $count",
    doubt = "an advanced query: the pages name it, the details differ",
    call = "GET " .. GROUP_CAST .. "?$count=true", settle = settle_group_cast },
  { id = "app-policy", belief = "the tenant's policy for client secrets is read with Policy.Read.All",
    doubt = "the permission tables disagree", call = "GET /policies/defaultAppManagementPolicy", settle = function()
      return settle_by_answer("/policies/defaultAppManagementPolicy", { what = "read the policy" }, graph.get)
    end },
  { id = "premium-status", belief = "without Entra ID P2, calls of PIM fail with AadPremiumLicenseRequired",
    doubt = "statuses 400 and 403 were both seen",
    call = "GET /roleManagement/directory/roleEligibilityScheduleInstances", settle = settle_premium_status },
  { id = "workload-access", belief = "Conditional Access policies for workload identities can be listed",
    doubt = "it takes a licence, and what is refused without one is not known",
    call = "GET /identity/conditionalAccess/policies", settle = function()
      return settle_by_answer("/identity/conditionalAccess/policies", { what = "read the policies" })
    end },
  { id = "eligible-for-groups", belief = "PIM for Groups tells who is eligible for a role-assignable group",
    doubt = "documented, not tried", call = "GET " .. ELIGIBLE_IN_GROUPS .. "?$filter=groupId eq '…'",
    settle = eligible_for_groups },
  { id = "dvls-version", belief = "Devolutions Server tells its version to everybody",
    doubt = "known from its clients only",
    call = "GET {dvls}/api/public-instance-information", settle = settle_server_version },
  { id = "dvls-page", belief = "Devolutions Server turns pages by page and pageNumber, sent together",
    doubt = "its official clients use one or the other",
    call = "GET {dvls}/api/v1/vault?page=2&pageNumber=2&pageSize=100; currentPage has to be 2",
    settle = settle_paging },

  { id = "late-request", belief = "a request that timed out is not carried out more than 120 seconds later",
    doubt = "no page says so; when a password counts as changed, and when it may be changed again, depend on it",
    call = "PATCH /users/{id} with a passwordProfile, cut after it was sent, on an account made for it" },
  { id = "own-key-id", belief = "addPassword takes a keyId that is sent along (nothing is built on this)",
    doubt = "both recorded calls of 2021 took it; no call since is known",
    call = "POST /applications/{id}/addPassword with passwordCredential.keyId, on an application made for it; the"
      .. " answer has to carry that keyId" },
  { id = "owned-create", belief = "Application.ReadWrite.OwnedBy lets an application create applications",
    doubt = "the table of permissions says so, and two reports tell of a 403",
    call = "PATCH /applications(uniqueName='…') with Prefer: create-if-missing, as an application that has only this" },
  { id = "new-403",
    belief = "a 403 just after a creation passes within 30 seconds, where the token has the permission",
    doubt = "seen for seconds in the field",
    call = "POST /servicePrincipals right after POST /applications, repeated" },
  { id = "new-principal",
    belief = "a sign-in before its new service principal is known fails with AADSTS7000229",
    doubt = "documented for applications without one; not tried just after creating it",
    call = "POST {login}/{tenant}/oauth2/v2.0/token right after POST /servicePrincipals, repeated" },
  { id = "blocking-policy",
    belief = "a sign-in that Conditional Access blocks tells the policy's id in claims (capolids)",
    doubt = "recorded once, in 2025; an answer of 2023 has none",
    call = "sign in as an application that a policy for workload identities blocks" },
  { id = "echoed-id", belief = "Graph's answer names the client-request-id of its request when asked to",
    doubt = "documented, not tried; an answer that names another id is refused",
    call = "GET /organization with return-client-request-id: true" },
  { id = "dvls-listed", belief = "an entry that was made is listed within five seconds", doubt = "known from no page",
    call = "POST {dvls}/api/v1/vault/{id}/entry, then GET {dvls}/api/v1/vault/{id}/entry" },
  { id = "reset-role", belief = "an application resets the passwords of admins by its directory role alone",
    doubt = "Microsoft's pages contradict each other on whether it needs a permission besides",
    call = "PATCH /users/{id} with a passwordProfile, on an account made for it" },
  { id = "synced-reset", belief = "a password for a synced account is refused", doubt = "a 204 was seen, too",
    call = "PATCH /users/{id} with a passwordProfile, on a synced account made for it" },
  { id = "secret-hidden", belief = "a new secret may be missing from what Graph lists for minutes",
    doubt = "no page says how long", call = "POST /applications/{id}/addPassword, then GET /applications/{id}" },
  { id = "token-delay", belief = "a new consent reaches the tokens after some minutes", doubt = "no page says how many",
    call = "POST /servicePrincipals/{id}/appRoleAssignedTo, then a sign-in each minute" },
  { id = "deleted-name", belief = "a deleted application keeps its uniqueName for 30 days", doubt = "not documented",
    call = "PATCH /applications(uniqueName='…') after DELETE /applications/{id}" },
  { id = "upsert", belief = "creating by uniqueName twice makes one application", doubt = "documented, not tried",
    call = "PATCH /applications(uniqueName='…') with Prefer: create-if-missing, twice" },
  { id = "dvls-login", belief = "a login with a wrong secret is refused with 401", doubt = "known from no client",
    call = "POST {dvls}/api/v1/login with a wrong secret, once" },
  { id = "dvls-hidden",
    belief = "without View password an entry comes without its secret, or with an empty one",
    doubt = "known from one client's manual",
    call = "GET {dvls}/api/v1/vault/{id}/entry/{id} with that permission off" },
  { id = "dvls-linked", belief = "the PAM provider can read an ordinary entry (Credential type: Linked credential)",
    doubt = "its private interface is not published",
    call = "choose the entry in the provider's form, then Test connection" },

  { id = "cloud-form",
    belief = "the provider form of Devolutions Cloud asks for a Secret key, and has no Credential type",
    doubt = "its pages of 2024 and 2025 differ, and none shows the password template",
    call = "Administration > Privileged Access > Providers > Add Provider > Entra ID user; see moonlatch handover" },
  { id = "cloud-renew",
    belief = "a provider's Secret key is replaced in the same form, and saved after Test connection",
    doubt = "no page describes it", call = "Providers > edit the provider; look for the field and the button" },
  { id = "cloud-test", belief = "Test connection signs in only, so it succeeds without permissions and without a role",
    doubt = "no page says what it tests",
    call = "Test connection before admin consent, with the right client secret" },
  { id = "cloud-test-service", belief = "Test connection works once Devolutions Cloud Services runs",
    doubt = "no page says whether the browser's backend or the service does it",
    call = "Test connection with the service stopped" },
  { id = "cloud-deleted", belief = "accounts of a deleted provider keep their passwords and are not rotated any more",
    doubt = "no page says so", call = "delete the provider of a test account, then Reset password" },
  { id = "cloud-task", belief = "Reset password with an expired client secret leaves a task with the status Failed",
    doubt = "the list of statuses is documented, the text of a failure is not",
    call = "Reset password with a removed client secret; Reports > Privileged Access > Tasks" },
}

local WORDS = { [true] = "holds", [false] = "does not hold" }

local function settle_belief(belief)
  if not belief.settle then return "not tried: the call changes something, or takes a person", nil end
  local ok, verdict, seen = pcall(belief.settle, profiles.current())
  if ok then return verdict == nil and "still open" or WORDS[verdict], seen end
  if not fail.is(verdict) or fail.is(verdict, "interrupted") then error(verdict, 0) end
  return "still open", verdict.why
end

local function print_belief(row)
  log.prose(("%s: %s"):format(row.id, row.belief))
  log.prose("  doubt: " .. row.doubt)
  log.prose("  call:  " .. row.call)
  log.prose(("  %s%s"):format(row.verdict, row.seen and " (" .. row.seen .. ")" or ""))
end

--- Check and print the beliefs. Waits; reads only.
---@return integer status 0, or 1 when a belief does not hold
function M.run()
  oauth.sign_in(profiles.current())
  local rows, wrong = {}, false
  for place, belief in ipairs(M.beliefs) do
    local verdict, seen = settle_belief(belief)
    wrong = wrong or verdict == WORDS[false]
    rows[place] = {
      id = belief.id, belief = belief.belief, doubt = belief.doubt, call = belief.call, verdict = verdict, seen = seen,
    }
    if not log.json() then print_belief(rows[place]) end
  end
  if log.json() then report.json(rows) end
  return wrong and 1 or 0
end

return M
