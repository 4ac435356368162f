--- The public API of Devolutions Server, /api/v1, as its open clients use it: Devolutions/go-dvls, ansible-dvls, the
--- SecretManagement module SM-DVLS and the external-secrets provider (2021 to 2026). Nothing here waits.

local devolutions_entries = require "emulator.devolutions.entries"
local json = require "json"
local random = require "emulator.random"
local secret = require "secret.emulator"
local time = require "time"

local M = {}

--- What the clients disagree on, or what only the vendor knows: switches, each tested both ways.
M.FLAGS = {
  -- Which parameter turns the page: go-dvls sends "page", ansible and SM-DVLS "pageNumber". The other one is ignored,
  -- or "both" are understood.
  page_parameter = "pageNumber",
  -- Status of a login with a wrong key or secret; the clients only look whether it is 2xx.
  login_failure = 401,
  -- What a reader without the permission View password sees of a secret: "absent" or "empty" (SM-DVLS README).
  hidden_secret = "absent",
  -- Must a reader ask with includePasswords=true (SM-DVLS does, go-dvls does not)?
  ask_for_passwords = false,
  -- Seconds a session lives; a setting of the server.
  session_seconds = 1200,
  -- How moments are written: one of M.DATES, or false for different ones (go-dvls tries a list of layouts).
  date_layout = false,
  -- Into which folder an entry goes, as a function of what is written; false: as it is written.
  placed = false,
  version = "2026.2.12.0",
  -- The path of the instance below its host: "/dvls" (go-dvls joins paths).
  base_path = "",
}

--- Layouts of dates seen from the server (go-dvls, server.go).
M.DATES = { "%sZ", "%s.1234567Z", "%s+00:00", "%s" }

--- Members of `data` by subType; those after "|" are secrets (go-dvls, entry_credential.go).
local SUBTYPES = {
  Default = "domain username | password",
  AccessCode = "| password",
  ApiKey = "apiId tenantId | apiKey",
  AzureServicePrincipal = "clientId tenantId | clientSecret",
  ConnectionString = "| connectionString",
  PrivateKey = "privateKeyOverrideUsername publicKeyData "
    .. "| privateKeyOverridePassword privateKeyData privateKeyPassPhrase",
}
local FOLDERS = {}
for name in ([[Company Credentials Customer Database Device Domain Folder Identity MacroScriptTools Printer Server Site
  SmartFolder Software Team Workstation]]):gmatch("%S+") do
  FOLDERS[name] = true
end

---@class emulator.devolutions
---@field app_key string
---@field app_secret host.secret
---@field vault string the vault for such entries
---@field permissions table<string, boolean> of the application in its vaults: view, view_password, add, edit, delete
---@field flags table
local Server = { __name = "emulator.devolutions" }
Server.__index = Server

local function add_vault(server, id, name, more)
  local vault = { id = id, name = name, description = "", contentType = "Everything", securityLevel = "Standard",
    visibility = "Default", type = "Shared" }
  for key, value in pairs(more or {}) do
    vault[key] = value
  end
  server.vaults[#server.vaults + 1] = vault
  server.entries[id] = devolutions_entries.new()
  return vault
end

--- A server with an application identity and some vaults.
---@param options {now: (fun(): number), seed: integer?, flags: table?}
---@return emulator.devolutions
function M.new(options)
  local flags = {}
  for name, default in pairs(M.FLAGS) do
    flags[name] = default
  end
  for name, value in pairs(options.flags or {}) do
    if M.FLAGS[name] == nil then error(("unknown flag %q of the emulated Devolutions Server"):format(name), 2) end
    flags[name] = value
  end
  local server = setmetatable({
    seed = options.seed or 1, now = options.now, flags = flags, made = 0,
    vaults = {}, entries = {}, sessions = {},
    enabled = true, vault = "Privileged", app_secret = secret.generate(48),
    permissions = { view = true, view_password = true, add = true, edit = true, delete = true },
  }, Server)
  server.app_key = random.guid(server.seed, "dvls application", 1)
  add_vault(server, "00000000-0000-0000-0000-000000000000", "Default vault", { contentType = "Default" })
  add_vault(server, random.guid(server.seed, "dvls vault", 1), "Privileged", { contentType = "Credentials" })
  add_vault(server, random.guid(server.seed, "dvls vault", 2), "Entra automation")
  return server
end

local function new_id(self)
  self.made = self.made + 1
  return random.guid(self.seed, "dvls", self.made)
end

---------------------------------------------------------------------------
-- Answers

local Refusal = { __name = "emulator.devolutions.refusal" }

local function refuse(status, message)
  error(setmetatable({ status = status, body = { message = message } }, Refusal), 0)
end

--- The older endpoints answer 200, and say in `result` what happened (go-dvls, SaveResult).
local function legacy(result)
  error(setmetatable({ status = 200, body = { result = result } }, Refusal), 0)
end

local function date(server, at, id)
  local layout = server.flags.date_layout or random.pick(M.DATES, server.seed, "dvls date " .. id, 1)
  return layout:format(time.iso(at):sub(1, -2))
end

--- The name of a member counts in any case (ansible writes "subtype").
local function member(body, name)
  if type(body) ~= "table" then return nil end
  if body[name] ~= nil then return body[name] end
  for key, value in pairs(body) do
    if type(key) == "string" and key:lower() == name:lower() then return value end
  end
end

local function text(body, name)
  local value = member(body, name)
  if value == nil or value == json.null then return nil end
  return value
end

---------------------------------------------------------------------------
-- Sessions

local function as_secret(value)
  if secret.is(value) then return value end
  return type(value) == "string" and value ~= "" and secret.from(value) or nil
end

local function body_of(request)
  if request.body then return request.body end
  local kind = (request.header("content-type") or ""):lower()
  if kind:find("form-urlencoded", 1, true) then return request.form() end
  local body, message = request.json()
  if body == nil then refuse(400, "Invalid JSON: " .. tostring(message)) end
  return body
end

local function login(server, request)
  local body = body_of(request)
  local key, value = text(body, "appKey"), as_secret(text(body, "appSecret"))
  local known = server.enabled and key == server.app_key and value and secret.equals(server.app_secret, value)
  if not known then refuse(server.flags.login_failure, "Invalid application key or secret.") end
  local token = secret.generate(43, "\"'`\\ ,;:|^<>{}[]()#%&$@!?/+=*~.")
  local now, sessions = server.now(), server.sessions
  while sessions[1] and sessions[1].till <= now do table.remove(sessions, 1) end
  sessions[#sessions + 1] = { token = token, till = now + server.flags.session_seconds }
  return 200, { tokenId = token }
end

local function session_of(server, request)
  local header = request.header("tokenid")
  local given = header and header ~= "" and secret.from(header)
  for i, session in ipairs(given and server.sessions or {}) do
    if session.till > server.now() and secret.equals(session.token, given) then return session, i end
  end
end

local function need_session(server, request)
  if server.enabled and session_of(server, request) then return end
  refuse(401, "The session is missing or has expired.")
end

local function logout(server, request)
  local _, place = session_of(server, request)
  if place then table.remove(server.sessions, place) end
  return 200
end

--- The answer is a bare true or false (go-dvls, authentication.go).
local function is_logged(server, request)
  return 200, session_of(server, request) and "true" or "false"
end

local function instance(server, more)
  local data = { accessURI = server.flags.base_path, selectedTimeZoneId = "Eastern Standard Time", servername = "DVLS",
    version = server.flags.version, systemMessage = "" }
  for name, value in pairs(more or {}) do
    data[name] = value
  end
  return 200, { data = data, result = 1 }
end

local function public_information(server)
  return instance(server)
end

local function private_information(server, request)
  if not session_of(server, request) then legacy(10) end
  return instance(server, { databaseVersion = "900" })
end

---------------------------------------------------------------------------
-- Lists

--- Add a vault, as an administrator would.
---@param name string
---@return string id
function Server:add_vault(name)
  return add_vault(self, new_id(self), name, { contentType = "Credentials" }).id
end

local function page_of(server, query)
  local wanted = server.flags.page_parameter
  local page = wanted == "both" and (query.pageNumber or query.page) or query[wanted]
  return math.max(1, math.tointeger(tonumber(page or 1)) or 1)
end

--- A page of the rows, each as `show` makes it.
local function paged(server, request, rows, show)
  local size = math.tointeger(tonumber(request.query.pageSize or 100)) or 100
  if size < 1 or size > 1000 then refuse(400, "pageSize must be between 1 and 1000.") end
  local page, data = page_of(server, request.query), json.array {}
  for i = (page - 1) * size + 1, math.min(page * size, #rows) do
    data[#data + 1] = show(server, rows[i])
  end
  local pages = (#rows + size - 1) // size
  return 200, { data = data, currentPage = page, pageSize = size, totalCount = #rows, totalPage = pages }
end

---------------------------------------------------------------------------
-- Vaults

local function find_vault(server, id)
  for _, vault in ipairs(server.vaults) do
    if vault.id == id:lower() then return vault end
  end
  refuse(404, "Vault not found.")
end

local function need(server, permission)
  if not server.permissions[permission] then refuse(403, "Access denied.") end
end

local function as_it_is(_, row) return row end

local function vaults(server, request)
  need_session(server, request)
  return paged(server, request, server.permissions.view and server.vaults or {}, as_it_is)
end

local function vault(server, request, id)
  need_session(server, request)
  return 200, find_vault(server, id)
end

local CONTENT = { Everything = true, Secrets = true, Credentials = true, BusinessInformation = true }

--- The name "Default" belongs to a system vault, and is refused here (go-dvls, vaults.go).
local function create_vault(server, request)
  need_session(server, request)
  local body = body_of(request)
  local name, content = text(body, "name"), text(body, "contentType") or "Everything"
  if type(name) ~= "string" or name == "" then refuse(400, "name is required.") end
  if not CONTENT[content] then refuse(400, "contentType is not valid.") end
  return 201, add_vault(server, new_id(server), name, { contentType = content, description = text(body, "description"),
    securityLevel = text(body, "securityLevel"), visibility = text(body, "visibility") })
end

---------------------------------------------------------------------------
-- Entries

--- The canonical names of the members of data, and which are secrets; nil for an unknown subtype.
local function members_of(kind, subtype)
  if kind == "Folder" then return FOLDERS[subtype] and { "domain", "username" } or nil, {} end
  local line = kind == "Credential" and SUBTYPES[subtype]
  if not line then return nil end
  local names, secrets, after = {}, {}, false
  for word in line:gmatch("%S+") do
    after = after or word == "|"
    if word ~= "|" then names[#names + 1] = word end
    if after and word ~= "|" then secrets[word] = true end
  end
  return names, secrets
end

--- The data of an entry as stored: canonical names, secrets as secrets; unknown members stay.
local function data_of(entry, given)
  local names, secrets = members_of(entry.type, entry.subType)
  local canonical, data = {}, {}
  for _, name in ipairs(names) do
    canonical[name:lower()] = name
  end
  for key, value in pairs(type(given) == "table" and given or {}) do
    local name = canonical[key:lower()] or key
    data[name] = secrets[name] and as_secret(value) or not secrets[name] and value or nil
  end
  return data
end

local function tags_of(body)
  local tags = text(body, "tags")
  return json.array(type(tags) == "table" and table.move(tags, 1, #tags, 1, {}) or {})
end

--- Set what a client may set. A write replaces everything: what is left out is cleared (go-dvls@7a16c92).
local function fill(server, entry, body)
  local name = text(body, "name")
  if type(name) ~= "string" or name == "" then refuse(400, "name is required.") end
  entry.name = name
  entry.path = (server.flags.placed or tostring)(text(body, "path") or "")
  entry.description = text(body, "description") or ""
  entry.tags = tags_of(body)
  entry.data = data_of(entry, text(body, "data"))
  entry.modified = server.now()
  return entry
end

local function find_entry(server, vault_id, id)
  local entries = server.entries[find_vault(server, vault_id).id]
  return entries:get(id:lower()) or refuse(404, "Entry not found."), entries
end

local function metadata(server, entry)
  return {
    id = entry.id, name = entry.name, path = entry.path, type = entry.type, subType = entry.subType,
    description = entry.description, tags = entry.tags, createdBy = "application", modifiedBy = "application",
    createdOn = date(server, entry.created, entry.id), modifiedOn = date(server, entry.modified, entry.id),
  }
end

local function may_see_secrets(server, request)
  if not server.permissions.view_password then return false end
  return not server.flags.ask_for_passwords or request.query.includePasswords == "true"
end

--- The entry as the caller sees it. Without the permission View password, the secrets are missing.
local function shown(server, request, entry)
  local row, data = metadata(server, entry), {}
  local _, secrets = members_of(entry.type, entry.subType)
  for name, value in pairs(entry.data) do
    data[name] = value
    if secrets[name] and not may_see_secrets(server, request) then
      data[name] = server.flags.hidden_secret == "empty" and "" or nil
    end
  end
  row.data = data
  return row
end

local function entries(server, request, vault_id)
  need_session(server, request)
  local rows, query = server.entries[find_vault(server, vault_id).id], request.query
  local found = server.permissions.view and rows:matching(query, page_of(server, query) == 1) or {}
  return paged(server, request, found, metadata)
end

local function entry_of(server, request, vault_id, id)
  need_session(server, request)
  need(server, "view")
  local entry = find_entry(server, vault_id, id)
  if entry.sealed then refuse(403, "The entry is sealed.") end
  return 200, shown(server, request, entry)
end

local function create_entry(server, request, vault_id)
  need_session(server, request)
  need(server, "add")
  local rows, body = server.entries[find_vault(server, vault_id).id], body_of(request)
  local entry = { id = new_id(server), type = text(body, "type"), subType = text(body, "subType") or "Default",
    created = server.now() }
  if not members_of(entry.type, entry.subType) then refuse(400, "The type or subType of the entry is not valid.") end
  rows:add(fill(server, entry, body))
  return 201, { id = entry.id }
end

local function replace_entry(server, request, vault_id, id)
  need_session(server, request)
  need(server, "edit")
  local entry = find_entry(server, vault_id, id)
  fill(server, entry, body_of(request))
  return 200, { id = entry.id }
end

local function delete_entry(server, request, vault_id, id)
  need_session(server, request)
  need(server, "delete")
  local entry, rows = find_entry(server, vault_id, id)
  rows:remove(entry.id)
  return 200
end

---------------------------------------------------------------------------
-- The steps of a request

local ROUTES = {
  ["POST /api/v1/login"] = login,
  ["POST /api/v1/logout"] = logout,
  ["GET /api/is-logged"] = is_logged,
  ["GET /api/public-instance-information"] = public_information,
  ["GET /api/private-instance-information"] = private_information,
  ["GET /api/v1/vault"] = vaults,
  ["POST /api/v1/vault"] = create_vault,
  ["GET /api/v1/vault/*"] = vault,
  ["GET /api/v1/vault/*/entry"] = entries,
  ["POST /api/v1/vault/*/entry"] = create_entry,
  ["GET /api/v1/vault/*/entry/*"] = entry_of,
  ["PUT /api/v1/vault/*/entry/*"] = replace_entry,
  ["DELETE /api/v1/vault/*/entry/*"] = delete_entry,
}

local function route(server, request)
  local path = request.path
  local base = server.flags.base_path
  if path:sub(1, #base) ~= base then return nil end
  path = path:sub(#base + 1):gsub("%%(%x%x)", function(hex) return string.char(tonumber(hex, 16)) end)
  local keys = {}
  local template = path:gsub("^(/api/v1/vault/)([^/]+)", function(before, key)
    keys[#keys + 1] = key
    return before .. "*"
  end):gsub("(/entry/)([^/]+)$", function(before, key)
    keys[#keys + 1] = key
    return before .. "*"
  end)
  return ROUTES[request.method .. " " .. template], keys
end

local function run(server, request)
  local handler, keys = route(server, request)
  if not handler then return 404, "<html><body>Not found</body></html>" end
  return handler(server, request, table.unpack(keys))
end

--- Answer one request.
---@param server emulator.devolutions
---@param request table as httpd gives it; tests may put the decoded `body` in
---@return integer status, table headers, table|string|nil body
function M.handle(server, request)
  local ok, status, body = pcall(run, server, request)
  if not ok then
    if getmetatable(status) ~= Refusal then error(status, 0) end
    status, body = status.status, status.body
  end
  local html = type(body) == "string" and body:sub(1, 1) == "<"
  return status, { ["Content-Type"] = html and "text/html" or "application/json; charset=utf-8" }, body
end

--- Another admin seals an entry, so that nobody reads it without breaking the seal.
---@param vault_id string
---@param id string
function Server:seal(vault_id, id)
  find_entry(self, vault_id, id).sealed = true
end

--- Another admin removes a permission, or grants it.
---@param name "view"|"view_password"|"add"|"edit"|"delete"
---@param allowed boolean
function Server:permit(name, allowed)
  self.permissions[name] = allowed
end

--- Another admin switches the application identity on or off.
---@param enabled boolean
function Server:enable(enabled)
  self.enabled = enabled
end

--- A vault's id by its name.
---@param name string
---@return string?
function Server:vault_id(name)
  for _, row in ipairs(self.vaults) do
    if row.name == name then return row.id end
  end
end

--- The client secret in an entry, as a provider reads it that is linked to the entry.
---@param name string
---@return host.secret?
function Server:value_of(name)
  for _, row in ipairs(self.vaults) do
    local entry = self.entries[row.id]:each(name)()
    if entry then return entry.data and entry.data.clientSecret end
  end
end

return M
