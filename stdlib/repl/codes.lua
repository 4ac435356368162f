--- What the codes of the services mean: HTTP statuses, Graph's and Entra's own codes.

local explain = require "explain.cause"
local graph_errors = require "explain.graph_errors"

local M = {}

-- What Graph means by each status, and which of its codes come with it (Microsoft Learn: Graph's error responses; in
-- the field also AsPerAppPolicy).
local STATUSES = {
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

local function add(lines, title, reason)
  if title then lines[#lines + 1] = title end
  if reason.cause then lines[#lines + 1] = "  why: " .. reason.cause end
  if reason.fix then lines[#lines + 1] = "  fix: " .. reason.fix end
end

local function rule_title(rule)
  local asks = {}
  if rule.method then asks[#asks + 1] = rule.method end
  if rule.path then asks[#asks + 1] = (rule.path:gsub("[%^$]", "")) .. "…" end
  if rule.member then asks[#asks + 1] = "with " .. rule.member end
  local name = rule.code or "any other code"
  return #asks > 0 and ("%s, %s"):format(name, table.concat(asks, " ")) or name
end

local function add_rules(lines, matches)
  for _, rule in ipairs(graph_errors) do
    if matches(rule) then add(lines, rule_title(rule), rule) end
  end
end

local function of_status(status)
  local known = STATUSES[status]
  if not known then return nil end
  local lines, wanted = { ("HTTP %d: %s"):format(status, known.says) }, {}
  for _, code in ipairs(known.codes) do wanted[code] = true end
  add_rules(lines, function(rule)
    if rule.code then return wanted[rule.code] and (not rule.status or rule.status == status) end
    return rule.status == status or rule.kind == known.kind
  end)
  if #lines == 1 then add(lines, nil, explain.graph { kind = known.kind, status = status }) end
  return lines
end

local function of_graph(code)
  local lines = { ("Graph's code %s"):format(code) }
  add_rules(lines, function(rule) return rule.code and rule.code:lower() == code:lower() end)
  return #lines > 1 and lines or nil
end

local function of_entra(code)
  local reason = explain.aadsts(code)
  if not reason then return nil end
  local lines = { "AADSTS" .. tostring(code):gsub("^%u+", "") }
  add(lines, nil, reason)
  return lines
end

--- What a code means; nil for an unknown code.
---@param code string|integer "403", "AADSTS7000215", 7000215, "Authorization_RequestDenied"
---@return string[]|nil lines
function M.explain(code)
  local text = tostring(code)
  local number = math.tointeger(tonumber(text))
  if number and number < 1000 then return of_status(number) end
  if number or text:match("^AADSTS%d+$") then return of_entra(text) end
  return of_graph(text)
end

--- Codes that can be explained by their names.
---@return string[]
function M.names()
  local names, seen = {}, {}
  for _, rule in ipairs(graph_errors) do
    if rule.code and not seen[rule.code] then names[#names + 1] = rule.code end
    if rule.code then seen[rule.code] = true end
  end
  for status in pairs(STATUSES) do names[#names + 1] = tostring(status) end
  table.sort(names)
  return names
end

return M
