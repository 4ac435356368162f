--- What a profile may say about signing in.

local sets = require "base.sets"
local sys = require "host.sys"

local M = {}

-- Microsoft Graph Command Line Tools: a public client that most tenants know already.
local GRAPH_TOOLS = "14d82eec-204b-4c2f-b7e8-296a70dab67e"

local METHODS = {
  "browser", "device_code", "client_secret", "certificate", "workload_identity", "managed_identity", "token",
}

local NEEDS = {
  client_secret = { client_id = "a client_id", secret = 'secret = { from = "file", path = "…" }' },
  certificate = { client_id = "a client_id", certificate = 'certificate = { path = "…" }' },
  workload_identity = { client_id = "a client_id", token_file = 'token_file = "…"' },
}

-- Members that apply to some methods only.
local BELONGS = {
  secret = { "client_secret" }, client_auth = { "client_secret" }, certificate = { "certificate" },
  token_file = { "workload_identity" }, token = { "token" }, redirect = { "browser" }, login_hint = { "browser" },
  open = { "browser" },
  object_id = { "managed_identity" }, resource_id = { "managed_identity" }, endpoint = { "managed_identity" },
  scopes = { "browser", "device_code", "token" },
}

local OF_PEOPLE = { browser = true, device_code = true }

local function check_members(sign_in)
  local method = sign_in.method
  for _, member in ipairs { "client_id", "secret", "certificate", "token_file" } do
    local words = NEEDS[method] and NEEDS[method][member]
    if words and not sign_in[member] then return ('method = "%s" needs %s'):format(method, words) end
  end
  for _, member in ipairs { "secret", "client_auth", "certificate", "token_file", "token", "redirect", "login_hint",
    "open", "object_id", "resource_id", "endpoint", "scopes" } do
    if sign_in[member] ~= nil and not sets.of(BELONGS[member])[method] then
      return ('method = "%s" has no %s; that is for "%s"'):format(method, member, table.concat(BELONGS[member], '", "'))
    end
  end
end

-- Only a loopback address may use plain HTTP, and our page is only there.
local function check_redirect(value)
  local host, port, path = value:match("^http://([%w.]+)(:?%d*)(.*)$")
  local is_ours = (host == "localhost" or host == "127.0.0.1") and (port == "" or port:match("^:%d+$"))
  if is_ours and path:match("^/?[%w/_-]*$") then return nil end
  return ('"%s" is not http://localhost or http://127.0.0.1, with a port and a path if need be'):format(value)
end

-- The certificate comes from one place: a file, the service manager's credentials, or the file that setup/rotator
-- sealed.
-- Which member each place of a certificate needs.
local CERTIFICATE_MEMBER = { file = "path", mounted = "path", credentials_directory = "name" }
local CERTIFICATE_FORMS = 'it is { path = "app.pem" }, { from = "credentials_directory", name = "app.pem" }, '
  .. '{ from = "mounted", path = "/run/secrets/app.pem" } or { from = "sealed" }'

local function check_certificate(certificate)
  local needed = CERTIFICATE_MEMBER[certificate.from or "file"]
  for _, member in ipairs { "path", "name" } do
    if (certificate[member] ~= nil) ~= (member == needed) then return CERTIFICATE_FORMS end
  end
  if certificate.from == "sealed" and certificate.passphrase then return CERTIFICATE_FORMS end
  if certificate.name and certificate.name:find("/", 1, true) then return "name is one of a file, without folders" end
end

local function check_token(token)
  if (token.from == "fd") ~= (token.fd ~= nil) then return 'it is { from = "stdin" } or { from = "fd", fd = 3 }' end
end

--- The shape of `sign_in`.
---@param secret_rule base.schema.rule of a source of a secret
---@return base.schema.rule
function M.rule(secret_rule)
  local text = { type = "string" }
  return {
    type = "table", default = {},
    members = {
      method = { type = "string", default = "device_code", choices = METHODS },
      client_id = text, scopes = { type = "table", each = text }, login_hint = text,
      secret = secret_rule, client_auth = { type = "string", choices = { "post", "basic" } },
      certificate = { type = "table", check = check_certificate, members = { path = text, name = text,
        from = { type = "string", choices = { "file", "credentials_directory", "mounted", "sealed" } },
        passphrase = secret_rule } },
      token_file = text,
      token = { type = "table", check = check_token, members = { from = { type = "string", required = true,
        choices = { "stdin", "fd" } }, fd = { type = "integer" } } },
      redirect = { type = "string", check = check_redirect }, open = { type = "boolean" },
      object_id = text, resource_id = text, endpoint = text,
    },
    check = check_members,
  }
end

-- The path at which the service manager puts the certificate, once it does.
local function settle_certificate(certificate, resolve)
  if certificate.path then certificate.path = resolve(certificate.path) end
  if not certificate.name then return end
  certificate.path = ("%s/%s"):format(sys.getenv "CREDENTIALS_DIRECTORY" or "$CREDENTIALS_DIRECTORY", certificate.name)
end

--- Fill in what was left out, and make paths absolute.
---@param sign_in table as it was given
---@param resolve fun(path: string?): string?
function M.settle(sign_in, resolve)
  if OF_PEOPLE[sign_in.method] then sign_in.client_id = sign_in.client_id or GRAPH_TOOLS end
  if sign_in.method == "browser" then sign_in.redirect = sign_in.redirect or "http://localhost" end
  if sign_in.method == "token" then sign_in.token = sign_in.token or { from = "stdin" } end
  sign_in.token_file = resolve(sign_in.token_file)
  if sign_in.certificate then settle_certificate(sign_in.certificate, resolve) end
end

return M
