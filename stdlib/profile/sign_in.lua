--- Check and complete the member `sign_in` of a profile.

local hint = require "log.hint"
local sets = require "base.sets"
local sys = require "host.sys"

local M = {}

-- Microsoft Graph Command Line Tools: a public client that most tenants know already.
local GRAPH_TOOLS_CLIENT_ID = "14d82eec-204b-4c2f-b7e8-296a70dab67e"

local METHODS = {
  "browser", "device_code", "client_secret", "certificate", "workload_identity", "managed_identity", "token",
}

local REQUIRED_MEMBERS = {
  client_secret = { client_id = "a client_id", secret = 'secret = { from = "file", path = "…" }' },
  certificate = { client_id = "a client_id", certificate = 'certificate = { path = "…" }' },
  workload_identity = { client_id = "a client_id", token_file = 'token_file = "…"' },
}

-- Members that apply to some methods only.
local METHODS_OF_MEMBER = {
  secret = { "client_secret" }, client_auth = { "client_secret" }, certificate = { "certificate" },
  token_file = { "workload_identity" }, token = { "token" }, redirect = { "browser" }, login_hint = { "browser" },
  open = { "browser" },
  object_id = { "managed_identity" }, resource_id = { "managed_identity" }, endpoint = { "managed_identity" },
  scopes = { "browser", "device_code", "token" },
}

local METHODS_OF_PEOPLE = { browser = true, device_code = true }

local function check_sign_in_members(sign_in)
  local method = sign_in.method
  for _, member in ipairs { "client_id", "secret", "certificate", "token_file" } do
    local words = REQUIRED_MEMBERS[method] and REQUIRED_MEMBERS[method][member]
    if words and not sign_in[member] then
      return ('method = "%s" needs %s'):format(method, words), ("Add %s to sign_in of the profile."):format(words)
    end
  end
  for _, member in ipairs { "secret", "client_auth", "certificate", "token_file", "token", "redirect", "login_hint",
    "open", "object_id", "resource_id", "endpoint", "scopes" } do
    if sign_in[member] ~= nil and not sets.of(METHODS_OF_MEMBER[member])[method] then
      local methods = table.concat(METHODS_OF_MEMBER[member], '", "')
      return ('method = "%s" has no %s; that is for "%s"'):format(method, member, methods),
        ("Remove %s from sign_in of the profile, or choose a method that has it."):format(member)
    end
  end
end

-- Check the redirect address. It has to be on loopback: only there plain HTTP is allowed, and only there we serve the
-- page.
local function check_redirect(value)
  local host, port, path = value:match("^http://([%w.]+)(:?%d*)(.*)$")
  local is_ours = (host == "localhost" or host == "127.0.0.1") and (port == "" or port:match("^:%d+$"))
  if is_ours and path:match("^/?[%w/_-]*$") then return nil end
  return ('"%s" is not http://localhost or http://127.0.0.1, with a port and a path if need be'):format(value),
    'Write redirect = "http://localhost" or "http://localhost:8400".'
end

-- The member that each source of a certificate needs.
local CERTIFICATE_MEMBER = { file = "path", mounted = "path", credentials_directory = "name" }
local WRONG_CERTIFICATE = "its members do not fit together"
local CERTIFICATE_FORMS = 'Write { path = "app.pem" }, { from = "credentials_directory", name = "app.pem" }, '
  .. '{ from = "mounted", path = "/run/secrets/app.pem" } or { from = "sealed" }.'

-- Check that the certificate comes from one source: a file, a mounted volume, the service manager's credentials, or the
-- file that setup/rotator sealed.
local function check_certificate_source(certificate)
  local needed = CERTIFICATE_MEMBER[certificate.from or "file"]
  for _, member in ipairs { "path", "name" } do
    if (certificate[member] ~= nil) ~= (member == needed) then return WRONG_CERTIFICATE, CERTIFICATE_FORMS end
  end
  if certificate.from == "sealed" and certificate.passphrase then return WRONG_CERTIFICATE, CERTIFICATE_FORMS end
  if certificate.name and certificate.name:find("/", 1, true) then
    return "name has a folder in it", 'Write the name of the credential alone: name = "app.pem".'
  end
end

local function check_token_source(token)
  if (token.from == "fd") ~= (token.fd ~= nil) then
    return "its members do not fit together", 'Write { from = "stdin" } or { from = "fd", fd = 3 }.'
  end
end

--- The rule for `sign_in`.
---@param secret_rule base.schema.rule of a source of a secret
---@return base.schema.rule
function M.rule(secret_rule)
  local text = { type = "string" }
  return {
    type = "table", default = {},
    misplaced = {
      client_secret = function()
        return hint.text('Name the place that the secret comes from: secret = { from = "sealed" }, then '
          .. "{moonlatch} login --secret client-secret. A configuration never contains a secret.")
      end,
    },
    members = {
      method = { type = "string", default = "device_code", choices = METHODS },
      client_id = text, scopes = { type = "table", each = text }, login_hint = text,
      secret = secret_rule, client_auth = { type = "string", choices = { "post", "basic" } },
      certificate = { type = "table", check = check_certificate_source, members = { path = text, name = text,
        from = { type = "string", choices = { "file", "credentials_directory", "mounted", "sealed" } },
        passphrase = secret_rule } },
      token_file = text,
      token = { type = "table", check = check_token_source, members = { from = { type = "string", required = true,
        choices = { "stdin", "fd" } }, fd = { type = "integer" } } },
      redirect = { type = "string", check = check_redirect }, open = { type = "boolean" },
      object_id = text, resource_id = text, endpoint = text,
    },
    check = check_sign_in_members,
  }
end

-- Make the path absolute; for a credential of the service manager, fill in the path of the credential.
local function complete_certificate(certificate, resolve)
  if certificate.path then certificate.path = resolve(certificate.path) end
  if not certificate.name then return end
  certificate.path = ("%s/%s"):format(sys.getenv "CREDENTIALS_DIRECTORY" or "$CREDENTIALS_DIRECTORY", certificate.name)
end

--- Fill in the defaults, and make paths absolute. Changes the table.
---@param sign_in table the checked member of the profile
---@param resolve fun(path: string?): string? makes a path absolute
function M.complete(sign_in, resolve)
  if METHODS_OF_PEOPLE[sign_in.method] then sign_in.client_id = sign_in.client_id or GRAPH_TOOLS_CLIENT_ID end
  if sign_in.client_id then sign_in.client_id = sign_in.client_id:lower() end -- as Entra writes client ids
  if sign_in.method == "browser" then sign_in.redirect = sign_in.redirect or "http://localhost" end
  if sign_in.method == "token" then sign_in.token = sign_in.token or { from = "stdin" } end
  sign_in.token_file = resolve(sign_in.token_file)
  if sign_in.certificate then complete_certificate(sign_in.certificate, resolve) end
end

return M
