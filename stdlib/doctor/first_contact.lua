--- Settle the beliefs about the real services (doctor.beliefs), as far as calls that only read can; and with
--- `doctor --first-contact --try-on`, as far as a probe can that changes something and takes it back.

local beliefs = require "doctor.beliefs"
local call = require "graph.call"
local fail = require "fail"
local graph = require "graph"
local hint = require "log.hint"
local key_id_probe = require "doctor.key_id_probe"
local licence = require "entra.licence"
local log = require "log"
local native_graph = require "host.graph"
local oauth = require "oauth.sign_in"
local profiles = require "profile.current"
local report = require "report"
local server = require "devolutions.server"

local M = {}

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

local NO_SERVER = "the profile names no Devolutions Server"

local function has_devolutions_server(current) return current.devolutions and current.devolutions.server end

local function settle_paging(current)
  if not has_devolutions_server(current) then return nil, NO_SERVER end
  server.login(current)
  local vaults = server.vaults() -- fails when the server answers with another page than the one asked for
  return #vaults > 100 and true or nil, #vaults > 100 and "the second page came when asked for"
    or ("there are %d vaults, so one page holds them all"):format(#vaults)
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

-- An answer that names another id is refused (runtime/http_options.c), so one that was accepted names ours or none.
local function settle_echoed_id()
  local made = call.new("GET", "/organization", nil, { what = "ask for the id of the request" })
  local echoed, failure = call.try_repeatedly(made, function(request, answer)
    local value, more = native_graph.judge(request, answer)
    if value ~= nil then value = { answer:header "client-request-id" } end
    return value, more
  end)
  if not echoed then return nil, failure.message end
  return echoed[1] ~= nil, echoed[1] and "the answer names it" or "the answer names none"
end

-- What settles a belief, by its id. Returns whether the belief holds (nil: still open), and what was seen. Reads only.
---@type table<string, fun(profile: profile): boolean?, string>
local SETTLE = {
  ["restricted-member"] = function()
    return settle_by_answer("/users",
      { select = { "id", "isManagementRestricted" }, top = 1, what = "read isManagementRestricted" })
  end,
  ["app-policy"] = function()
    return settle_by_answer("/policies/defaultAppManagementPolicy", { what = "read the policy" }, graph.get)
  end,
  ["workload-access"] = function()
    return settle_by_answer("/identity/conditionalAccess/policies", { what = "read the policies" })
  end,
  ["eligible-for-groups"] = eligible_for_groups,
  ["dvls-page"] = settle_paging,
  ["echoed-id"] = settle_echoed_id,
}

local PROBES = { ["own-key-id"] = key_id_probe.settle } -- what changes something

local WORDS = { [true] = "holds", [false] = "does not hold" }
local NOT_TRIED = "not tried: the call changes something, or takes a person"

local function settle_belief(belief, application)
  local probe = PROBES[belief.id]
  if probe and not application then
    return NOT_TRIED, hint.text "{moonlatch} doctor --first-contact --try-on CLIENT-ID tries it"
  end
  local settle = probe or SETTLE[belief.id]
  if not settle then return NOT_TRIED, nil end
  local ok, verdict, seen = pcall(settle, probe and application or profiles.current())
  if ok then return verdict == nil and "still open" or WORDS[verdict], seen end
  if probe or not fail.is(verdict) or fail.is(verdict, "interrupted") then error(verdict, 0) end
  return "still open", verdict.why
end

local function print_belief(row)
  log.prose(("%s: %s"):format(row.id, row.belief))
  log.prose("  doubt: " .. row.doubt)
  log.prose("  call:  " .. row.call)
  log.prose(("  %s%s"):format(row.verdict, row.seen and " (" .. row.seen .. ")" or ""))
end

--- Check and print the beliefs. Waits; reads only, unless an application is named.
---@param client_id string? of an application made for it, on which a probe may change something
---@return integer status 0, or 1 when a belief does not hold
function M.run(client_id)
  oauth.sign_in(profiles.current())
  local application = client_id and key_id_probe.find(client_id)
  local rows, wrong = {}, false
  for place, belief in ipairs(beliefs) do
    local verdict, seen = settle_belief(belief, application)
    wrong = wrong or verdict == WORDS[false]
    rows[place] = {
      id = belief.id, belief = belief.belief, doubt = belief.doubt, call = hint.text(belief.call), verdict = verdict,
        seen = seen,
    }
    if not log.json() then print_belief(rows[place]) end
  end
  if log.json() then report.json(rows) end
  return wrong and 1 or 0
end

return M
