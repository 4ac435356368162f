--- Take out of an exchange with a service what names anybody: ids, names, addresses, secrets. What is left is the form:
--- members, types, formats, codes, and the service's own sentences.
---
--- A text is kept only where it is known to be the service's own word; all other texts become x, X and 0, so that their
--- form stays. The same id always becomes the same made-up id.

local class = require "base.class"
local fact_tables = require "base.fact_tables"
local json = require "host.json"
local microsoft_ids = require "base.microsoft_ids"
local secret = require "host.secret"

local M = {}

---@class doctor.sanitiser
---@field ids table<string, string> id in lower case -> the made-up one
---@field count integer of the made-up ids
local Sanitiser = class "doctor.sanitiser"

local REMOVED = "<removed>"
local GUID = "%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x"
local MOMENT = "^%d%d%d%d%-%d%d%-%d%d[T ]%d%d:%d%d:%d%d[%d.]*Z?$"

-- Members whose values are words of Microsoft's, as long as they look like one.
local WORDS = {}
for name in ([[@odata.type accessId appliesTo assignmentType builtInControls category code consentType error memberType
  method operator origin principalType restrictionType servicePrincipalType signInAudience state status suberror
  token_type type usage userType]]):gmatch "%S+" do
  WORDS[name] = true
end

-- Members whose values are sentences of Microsoft's, in which names may stand.
local SENTENCES = { message = true, error_description = true }

-- Hosts that are the same for everybody.
local PUBLIC = {}
for name in ([[login.microsoftonline.com login.microsoft.com login.microsoftonline.us graph.microsoft.com
  graph.microsoft.us microsoft.com www.microsoft.com aka.ms go.microsoft.com]]):gmatch "%S+" do
  PUBLIC[name] = true
end

-- Ids that are the same everywhere.
local function published_ids()
  local ids = { [microsoft_ids.GRAPH] = true }
  for id in pairs(microsoft_ids.clients) do ids[id] = true end
  for _, id in pairs(microsoft_ids.roles) do ids[id] = true end
  for _, row in ipairs(fact_tables.rows "stdlib/data/reset-matrix.tsv") do ids[row[2]] = true end
  return ids
end

-- The segments of Graph's paths: words that stand in its addresses.
local function path_words()
  local words = { ["v1.0"] = true, beta = true, ["v2.0"] = true, [".well-known"] = true, oauth2 = true, token = true,
    devicecode = true, authorize = true, discovery = true, keys = true, error = true, devicelogin = true,
    ["openid-configuration"] = true }
  for _, row in ipairs(fact_tables.rows "stdlib/data/graph-paths.tsv") do
    for segment in row[1]:gmatch "[^/]+" do words[segment:match "^[^(]+"] = true end
  end
  return words
end

---------------------------------------------------------------------------
-- Texts

--- The made-up id for an id; a published id stays.
---@param id string
---@return string
function Sanitiser:id(id)
  local key = id:lower()
  if self.published[key] then return id end
  if not self.ids[key] then
    self.count = self.count + 1
    self.ids[key] = ("%08d-0000-4000-8000-000000000000"):format(self.count)
  end
  return self.ids[key]
end

-- The form of a text: X for a capital, x for any other letter, 0 for a digit.
local function form_of(text)
  return (text:gsub("%u", "X"):gsub("%l", "x"):gsub("%d", "0"):gsub("[\x80-\xff]+", "x"))
end

-- A text in which only ids are told apart.
function Sanitiser:masked(text)
  local parts, from = {}, 1
  for first, id, after in text:gmatch("()(" .. GUID .. ")()") do
    parts[#parts + 1] = form_of(text:sub(from, first - 1)) .. self:id(id)
    from = after
  end
  return table.concat(parts) .. form_of(text:sub(from))
end

-- A word of letters and digits, such as a code to enter; Entra's numbers of errors are none.
local function code_masked(word)
  local is_code = #word >= 6 and word:find "%d" and word:find "%a" and not word:find "^AADSTS%d+$"
  return is_code and form_of(word) or word
end

-- A sentence of the service's, without the names in it: what is quoted, addresses, names of hosts, codes, ids.
function Sanitiser:sentence(text)
  local function quoted(mark)
    return function(inside) return mark .. self:masked(inside) .. mark end
  end
  text = text:gsub("https?://[^%s,;'\"]+", function(url) return self:url(url) end)
  text = text:gsub("'([^']*)'", quoted "'"):gsub('"([^"]*)"', quoted '"')
  text = text:gsub("[%w._%%+#'-]+@[%w.-]+", form_of)
  text = text:gsub("%f[%w][%w-]+%.[%w.-]*%a%f[^%w.-]", function(name)
    return (name:find "^microsoft%." or PUBLIC[name]) and name or form_of(name)
  end)
  text = text:gsub("%f[%w%-]%w[%w-]*%f[^%w%-]", function(word)
    local is_known = word:find("^" .. GUID .. "$") or word:find "^%d%d%d%d%-%d%d%-%d%dT?%d*$"
    return is_known and word or code_masked(word)
  end)
  return (text:gsub(GUID, function(id) return self:id(id) end))
end

-- One segment of a path: a word of Graph's, or the key of an object.
function Sanitiser:segment(text)
  local name, key = text:match "^([^(]+)(%(.*%))$"
  if self.words[name or text] or text:find "^%$" or text:find "^microsoft%.graph%.%a+$" then
    return (name or text) .. (key and self:sentence(key) or "")
  end
  return self:masked(text)
end

-- What the query of an address asks for, without names.
local function query_without_names(self, query)
  return (query:gsub("([^&=]+)=([^&]*)", function(name, value)
    if name == "%24skiptoken" or name == "$skiptoken" then return name .. "=" .. self:masked(value) end
    local plain = value:gsub("%%27(.-)%%27", function(inside) return "%27" .. self:masked(inside) .. "%27" end)
    return name .. "=" .. self:sentence(plain)
  end))
end

--- An address: the host as it is known in every tenant, keys and names masked.
---@param url string
---@return string
function Sanitiser:url(url)
  local scheme, host, path, mark, query = url:match "^(%a+)://([^/]+)([^?]*)(%??)(.*)$"
  if not scheme then return self:masked(url) end
  path = path:gsub("[^/]+", function(segment)
    local before, rest = segment:match "^(%$metadata#)(.*)$"
    return before and before .. self:segment(rest) or self:segment(segment)
  end)
  return ("%s://%s%s%s%s"):format(scheme, self.hosts[host] or PUBLIC[host] and host or form_of(host), path, mark,
    query_without_names(self, query))
end

---------------------------------------------------------------------------
-- Values

-- A scope: the API's address, and the name of the permission where it has the form of one of Microsoft's.
function Sanitiser:scope(text)
  local api, name = text:match "^(https://.*/)([^/]+)$"
  local is_known = (name or text):find "^%u%a+%.%u[%a.]+$" or (name or text):find "^%.default$"
  return (api and self:url(api) or "") .. (is_known and (name or text) or self:masked(name or text))
end

function Sanitiser:text(name, text)
  if SENTENCES[name] then return self:sentence(text) end
  if name == "scope" then
    return (text:gsub("%S+", function(word) return self:scope(word) end))
  end
  if text:find "^https?://" then return self:url(text) end
  if tostring(name):find "_supported$" and text:find "^[%a_:.0-9-]+$" then return text end
  if text:find(MOMENT) then return text end
  if WORDS[name] and text:find "^#?[%a_][%a_.]*$" then return text end
  return self:masked(text)
end

-- The name of a member: directory extensions, ids and addresses of mail are names of somebody's.
local function member_name(self, name)
  local is_own = type(name) == "string" and (name:find "^extension_" or name:find(GUID) or name:find "[^@]@[^@]+%.%a")
  return is_own and not name:find "@odata%." and self:masked(name) or name
end

--- A decoded value without what names anybody.
---@param value any
---@param name string? of the member
---@return any
function Sanitiser:value(value, name)
  if secret.is(value) then return REMOVED end
  if type(value) == "string" then return self:text(name, value) end
  if type(value) ~= "table" then return value end
  local twin = json.is_array(value) and json.array {} or {}
  for key, member in pairs(value) do
    twin[member_name(self, key)] = self:value(member, type(key) == "string" and key or name)
  end
  return twin
end

--- A form, as the body of a request to the login service: which members there are.
---@param text string
---@return string
function Sanitiser.form(_, text)
  return (text:gsub("([^&=]+)=([^&]*)", function(name, value)
    return name .. "=" .. (name == "grant_type" and value or REMOVED)
  end))
end

--- A sanitiser for the addresses of this profile.
---@param profile profile
---@return doctor.sanitiser
function M.new(profile)
  local hosts = {
    [profile.login:match "//([^/]+)"] = "login.microsoftonline.com",
    [profile.graph:match "//([^/]+)"] = "graph.microsoft.com",
  }
  return Sanitiser { ids = {}, count = 0, published = published_ids(), words = path_words(), hosts = hosts }
end

return M
