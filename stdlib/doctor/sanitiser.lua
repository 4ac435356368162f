--- Take out of an exchange with a service what names anybody: ids, names, addresses, secrets. What is left is the form:
--- members, types, formats, codes, and the service's own sentences.
---
--- A text is kept only where it is known to be the service's own word; all other texts become x, X and 0, so that their
--- form stays. The same id always becomes the same made-up id.

local class = require "base.class"
local json = require "host.json"
local secret = require "host.secret"
local service_words = require "doctor.service_words"

local M = {}

---@class doctor.sanitiser
---@field ids table<string, string> id in lower case -> the made-up one
---@field count integer of the made-up ids
---@field hosts table<string, string> host of the profile -> the public one
---@field words table<string, true> of sentences
---@field values table<string, true> of enumerations
---@field path table<string, true> segments of paths
---@field permissions table<string, true>
---@field published table<string, true> ids
local Sanitiser = class "doctor.sanitiser"

local REMOVED = "<removed>"
local GUID = "%x%x%x%x%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%x%x%x%x%x%x%x%x"
local MOMENT = "^%d%d%d%d%-%d%d%-%d%d[T ]%d%d:%d%d:%d%d[%d.]*Z?$"
local LEAST_MASKED = 100000 -- from here on, a number may be one that names somebody, such as a phone number

-- Members whose values are sentences of Microsoft's, in which names may stand.
local SENTENCES = { message = true, error_description = true }

-- Members whose values are codes of errors, and the sentence that stands beside each.
local SENTENCE_BESIDE = { code = "message", error = "error_description", suberror = "error_description" }

-- Hosts that are the same for everybody.
local PUBLIC = {}
for name in ([[login.microsoftonline.com login.microsoft.com login.microsoftonline.us graph.microsoft.com
  graph.microsoft.us microsoft.com www.microsoft.com aka.ms go.microsoft.com]]):gmatch "%S+" do
  PUBLIC[name] = true
end

-- Members of the login service's answers whose names are not of Graph's form.
local LOGIN_MEMBERS = {}
for name in ([[access_token id_token refresh_token expires_in ext_expires_in expires_on not_before refresh_in token_type
  client_info device_code user_code verification_uri error_description error_codes error_uri trace_id correlation_id
  token_endpoint jwks_uri userinfo_endpoint authorization_endpoint device_authorization_endpoint end_session_endpoint
  kerberos_endpoint mtls_endpoint_aliases tls_client_certificate_bound_access_tokens http_logout_supported
  frontchannel_logout_supported request_uri_parameter_supported tenant_region_scope tenant_region_sub_scope
  cloud_instance_name cloud_graph_host_name msgraph_host rbac_url foci]]):gmatch "%S+" do
  LOGIN_MEMBERS[name] = true
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

-- One word of a sentence: kept where it is a word of the services, or a number of Entra's errors.
function Sanitiser:word(word)
  local is_number = word:find "^AADSTS%d+$" or word:find "^IDX%d+$" or word:find "^%d%d?%d?%d?$"
  return (is_number or self.words[word]) and word or form_of(word)
end

-- Call `fn` with each part of the text that matches the pattern, and `other` with what is between; return what these
-- return, in order.
local function replace_parts(text, pattern, fn, other)
  local parts, from = {}, 1
  for first, part, after in text:gmatch("()(" .. pattern .. ")()") do
    if first >= from then
      parts[#parts + 1] = other(text:sub(from, first - 1)) .. fn(part)
      from = after
    end
  end
  return table.concat(parts) .. other(text:sub(from))
end

function Sanitiser:words_of(text)
  text = text:gsub("%+[%d(][%d ()/-]+", form_of):gsub("[\x80-\xff]+", "x")
  return (text:gsub("[%w_]+", function(word) return self:word(word) end))
end

-- In each step what a pattern matches is masked, and the rest goes on to the next step. A quoted text begins after, and
-- ends before, something that is no letter or digit, because names and words have apostrophes, too.
local STEPS = {
  { "%f[%w]" .. GUID .. "%f[^%w]", function(self, id) return self:id(id) end },
  { "%a[%w+.-]*://[^%s,;'\"]+", function(self, url) return self:url(url) end },
  { '"[^"]*"', function(self, quoted) return self:masked(quoted) end },
  { "%f[%w_'\128-\255]'.-'%f[^%w'\128-\255]", function(self, quoted) return self:masked(quoted) end },
  { "[%w._%%+#'\128-\255-]+@[%w.\128-\255-]+", function(_, address) return form_of(address) end },
  { "%f[%w]%d%d%d%d%-%d%d%-%d%d[T ]%d%d:%d%d:%d%d[%d.]*Z?%f[^%w]", function(_, moment) return moment end },
  { "%f[%w]%d%d%d%d%-%d%d%-%d%d%f[^%w]", function(_, day) return day end },
  { "%f[%w][%w-]+%.[%w.-]*%a%f[^%w.-]", function(_, name)
    return (name:find "^microsoft%.graph%.%a+$" or PUBLIC[name]) and name or form_of(name)
  end },
}

--- A sentence of the service's: its own words are kept, and no others.
---@param text string
---@param step integer? of STEPS
---@return string
function Sanitiser:sentence(text, step)
  local rule = STEPS[step or 1]
  if not rule then return self:words_of(text) end
  return replace_parts(text, rule[1], function(part) return rule[2](self, part) end, function(rest)
    return self:sentence(rest, (step or 1) + 1)
  end)
end

-- Decode "%27", call `fn`, and encode again what was encoded.
local function without_encoding(text, fn)
  if not text:find "%%%x%x" then return fn(text) end
  local plain = text:gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  return (fn(plain):gsub("[^%w$,()/:=.*_~<>@-]", function(char) return ("%%%02X"):format(char:byte()) end))
end

-- One segment of a path: a word of Graph's, or the key of an object.
function Sanitiser:segment(text)
  return without_encoding(text, function(plain)
    local name, key = plain:match "^([^(]+)(%(.*%))$"
    if self.path[name or plain] or plain:find "^microsoft%.graph%.%a+$" then
      return (name or plain) .. (key and self:sentence(key) or "")
    end
    return self:masked(plain)
  end)
end

local QUERIES = { ["$select"] = true, ["$filter"] = true, ["$expand"] = true, ["$orderby"] = true, ["$top"] = true,
  ["$count"] = true, ["$search"] = true, ["api-version"] = true }

-- What the query of an address asks for, without names.
local function query_without_names(self, query)
  return (query:gsub("([^&=]+)(=?)([^&]*)", function(name, equals, value)
    local option = name:gsub("^%%24", "$")
    local is_code = option == "code" and value:find "^%d+$"
    local kept = is_code and value or without_encoding(value, function(plain)
      return QUERIES[option] and self:sentence(plain) or self:masked(plain)
    end)
    local is_known = QUERIES[option] or option:find "^%$%a+$" or self.words[option] or LOGIN_MEMBERS[option]
    return (is_known and name or form_of(name)) .. equals .. kept
  end))
end

--- An address: the host as it is known in every tenant, keys and names masked.
---@param url string
---@return string
function Sanitiser:url(url)
  local scheme, host, path, mark, query = url:match "^(https?)://([^/?]+)([^?]*)(%??)(.*)$"
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

-- A scope: the API's address, and the name of the permission where it is one of Graph's.
function Sanitiser:scope(text)
  local api, name = text:match "^(https://.*/)([^/]+)$"
  name = name or text
  return (api and self:url(api) or "") .. (self.permissions[name] and name or self:masked(name))
end

-- Is the text a code of an error, or a value of an enumeration?
local function is_own_word(self, name, text, siblings)
  local beside = SENTENCE_BESIDE[name]
  if beside and siblings and siblings[beside] ~= nil then return text:find "^%a[%w_]*$" ~= nil end
  if name == "@odata.type" then return text:find "^#?microsoft%.graph%.%a+$" ~= nil end
  return self.values[text] or name == "token_type" and text == "Bearer"
end

function Sanitiser:text(name, text, siblings)
  if SENTENCES[name] then return self:sentence(text) end
  if name == "scope" then
    return (text:gsub("%S+", function(word) return self:scope(word) end))
  end
  if text:find "^https?://" then return self:url(text) end
  if tostring(name):find "_supported$" and text:find "^[%a_:.0-9-]+$" then return text end
  if text:find(MOMENT) or is_own_word(self, name, text, siblings) then return text end
  return self:masked(text)
end

-- A number from 100000 on is kept where it is the number of an error; else only how many digits it has.
local function number_without_names(name, number)
  if name == "error_codes" or number > -LEAST_MASKED and number < LEAST_MASKED then return number end
  local digits = ("%.0f"):format(number):gsub("%D", "")
  return math.tointeger(10 ^ (#digits - 1)) or 10.0 ^ (#digits - 1)
end

-- The name of a member. Graph's are of the form "displayName", the login service's are known; others are a tenant's
-- own: extensions, attributes, addresses.
local function member_name(self, name, within)
  if type(name) ~= "string" then return name end
  local own, annotation = name:match "^(.*)(@%a[%w.]*)$"
  if not own or not (annotation:find "^@odata%.%l%a+$" or annotation:find "^@microsoft%.graph%.%l%a+$"
    or annotation == "@removed" or annotation == "@delta") then
    own, annotation = name, ""
  end
  local is_known = own == "" or within ~= "customSecurityAttributes"
    and (own:find "^%l%a*%d*%a*$" or LOGIN_MEMBERS[own] or own:find "^%l[%l_]*_supported$")
  return (is_known and own or self:masked(own)) .. annotation
end

--- A decoded value without what names anybody.
---@param value any
---@param name string? of the member
---@param siblings table? the object that has the member
---@return any
function Sanitiser:value(value, name, siblings)
  if secret.is(value) then return REMOVED end
  if type(value) == "string" then return self:text(name, value, siblings) end
  if type(value) == "number" then return number_without_names(name, value) end
  if type(value) ~= "table" then return value end
  local is_list = json.is_array(value)
  local twin = is_list and json.array {} or {}
  local within = name == "customSecurityAttributes" and name or nil
  for key, member in pairs(value) do
    twin[member_name(self, key, within)] = self:value(member, within or type(key) == "string" and key or name, value)
  end
  return twin
end

--- A form, as the body of a request to the login service: which members there are.
---@param text string
---@return string
function Sanitiser.form(_, text)
  if not text:find "^[%w_]+=" then return REMOVED end
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
  return Sanitiser {
    ids = {}, count = 0, hosts = hosts, published = service_words.ids(), words = service_words.sentence(),
    values = service_words.values(), path = service_words.path(), permissions = service_words.permissions(),
  }
end

return M
