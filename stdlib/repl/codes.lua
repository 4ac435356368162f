--- Explain the codes of the services: HTTP statuses, Graph's codes, and AADSTS numbers of Entra.

local explain = require "explain.cause"
local graph_errors = require "explain.graph_errors"
local hint = require "log.hint"

local M = {}

-- The meaning of each status at Graph, and the codes that come with it (Microsoft Learn, "Microsoft Graph error
-- responses and resource types").
local STATUS_MEANINGS = {
  [400] = { says = "Graph understood the request and refuses it, or it is malformed", kind = "refused",
    codes = { "Request_UnsupportedQuery", "Request_MultipleObjectsWithSameKeyValue", "Directory_QuotaExceeded",
      "CredentialTypeNotAllowedAsPerAppPolicy", "CredentialInvalidLifetimeAsPerAppPolicy",
      "AadPremiumLicenseRequired" } },
  [401] = { says = "the sign-in is not accepted", kind = "auth", codes = { "InvalidAuthenticationToken" } },
  [403] = { says = "signed in, but not allowed", kind = "denied",
    codes = { "Authorization_RequestDenied", "Authorization_IdentityNotFound", "insufficient_claims",
      "AadPremiumLicenseRequired" } },
  [404] = { says = "it is not there, or may not be seen", kind = "missing", codes = {} },
  [409] = { says = "it is there already, or was changed at the same time", kind = "conflict",
    codes = { "Request_MultipleObjectsWithSameKeyValue", "Directory_ConcurrencyViolation" } },
  [429] = { says = "asked too often; Moonlatch waits as long as the answer says", kind = "throttled", codes = {} },
  [500] = { says = "the service is in trouble", kind = "transient", codes = {} },
  [503] = { says = "the service is not available just now", kind = "transient", codes = {} },
  [504] = { says = "the service took too long", kind = "transient", codes = {} },
}

local function add_reason(lines, title, reason)
  if title then lines[#lines + 1] = title end
  if reason.cause then lines[#lines + 1] = "  why: " .. reason.cause end
  if reason.fix then lines[#lines + 1] = "  fix: " .. hint.text(reason.fix) end
end

local function graph_rule_title(rule)
  local asks = {}
  if rule.method then asks[#asks + 1] = rule.method end
  if rule.path then asks[#asks + 1] = (rule.path:gsub("[%^$]", "")) .. "…" end
  if rule.member then asks[#asks + 1] = "with " .. rule.member end
  local name = rule.code or "any other code"
  return #asks > 0 and ("%s, %s"):format(name, table.concat(asks, " ")) or name
end

local function add_graph_rules(lines, matches)
  for _, rule in ipairs(graph_errors) do
    if matches(rule) then add_reason(lines, graph_rule_title(rule), rule) end
  end
end

local function explain_status(status)
  local known = STATUS_MEANINGS[status]
  if not known then return nil end
  local lines, wanted = { ("HTTP %d: %s"):format(status, known.says) }, {}
  for _, code in ipairs(known.codes) do wanted[code] = true end
  add_graph_rules(lines, function(rule)
    if rule.code then return wanted[rule.code] and (not rule.status or rule.status == status) end
    return rule.status == status or rule.kind == known.kind
  end)
  if #lines == 1 then add_reason(lines, nil, explain.graph { kind = known.kind, status = status }) end
  return lines
end

local function explain_graph_code(code)
  local lines = { ("Graph's code %s"):format(code) }
  add_graph_rules(lines, function(rule) return rule.code and rule.code:lower() == code:lower() end)
  return #lines > 1 and lines or nil
end

local function explain_aadsts(code)
  local reason = explain.aadsts(code)
  if not reason then return nil end
  local lines = { "AADSTS" .. tostring(code):gsub("^%u+", "") }
  add_reason(lines, nil, reason)
  return lines
end

--- Explain a code; nil for an unknown code.
---@param code string|integer "403", "AADSTS7000215", 7000215, "Authorization_RequestDenied"
---@return string[]|nil lines
function M.explain(code)
  local text = tostring(code)
  local number = math.tointeger(tonumber(text))
  if number and number < 1000 then return explain_status(number) end
  if number or text:match("^AADSTS%d+$") then return explain_aadsts(text) end
  return explain_graph_code(text)
end

--- The codes and statuses that `explain` knows, sorted.
---@return string[]
function M.known_codes()
  local names, seen = {}, {}
  for _, rule in ipairs(graph_errors) do
    if rule.code and not seen[rule.code] then names[#names + 1] = rule.code end
    if rule.code then seen[rule.code] = true end
  end
  for status in pairs(STATUS_MEANINGS) do names[#names + 1] = tostring(status) end
  table.sort(names)
  return names
end

return M
