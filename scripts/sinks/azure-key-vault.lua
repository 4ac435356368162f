--- A sink: secrets of Azure Key Vault.
--
-- Each store makes a new version; older versions stay readable by their id. The service has no compare-and-set: two
-- installations that store at the same moment make two versions. In the current secret the one that does not read back
-- its own value reports a conflict. A pending value is in a secret of its own, NAME-pending, of which every enabled
-- version is read: so no store hides a pending value of another installation. Removing disables versions, and does not
-- delete the secret: the name of a deleted secret cannot be used until the secret is recovered or purged.
--
-- A certificate is stored as Key Vault itself shows the key of one: PKCS#12 without a passphrase, in base64, with the
-- content type application/x-pkcs12; or as PEM, with the content type application/x-pem-file.
--
-- The peer needs the role Key Vault Secrets Officer, for the whole vault or these secrets.
-- Source: learn.microsoft.com/rest/api/keyvault/secrets (get-secret-versions: 25 a page, nextLink);
-- learn.microsoft.com/azure/key-vault/general/rbac-guide; learn.microsoft.com/azure/key-vault/certificates/
-- about-certificates (content types of exportable keys)

local fail = require "fail"
local peer = require "peer"
local secret = require "secret"

local VERSION = { ["api-version"] = "7.4" }
local LONGEST_NAME = 127

-- The name of the secret, with {id}, {name} and {policy} filled in. What the service does not accept is refused,
-- so that two names never become the same one.
local function secret_name(args, item)
  local name = args.name:gsub("{([%w_]+)}", item) .. (item.slot ~= "current" and "-" .. item.slot or "")
  if name:match "^[%w-]+$" and #name <= LONGEST_NAME then return name end
  fail.raise {
    kind = "refused", what = ("store a secret as '%s'"):format(name),
    why = "the name of a secret has letters, digits and -, at most 127 of them",
    fix = "Write the name with {id} in the place of {name}, or without both.",
  }
end

local FIXES = {
  ObjectIsDeletedButRecoverable = "A secret of this name was deleted. Recover it (az keyvault secret recover "
    .. "--vault-name VAULT --name %s), or purge it, or choose another name in the policy.",
  ObjectIsBeingDeleted = "Run the same command again in a minute.",
  ForbiddenByRbac = "Give the identity of the peer the role Key Vault Secrets Officer; a new assignment needs some "
    .. "minutes.",
  AccessDenied = "Give the identity of the peer an access policy with the permissions Get, Set and List.",
  ForbiddenByFirewall = "Let the firewall of the vault accept this machine's address.",
}

local function explained(failure, name)
  local fix = fail.is(failure) and FIXES[failure.code]
  if not fix then error(failure, 0) end
  fail.raise {
    kind = failure.kind, what = failure.what, why = failure.why, fix = fix:format(name), status = failure.status,
    code = failure.code, cause = failure,
  }
end

local function call(args, method, name, ...)
  local ok, result = pcall(peer[args.peer][method], peer[args.peer], ...)
  if not ok then explained(result, name) end
  return result
end

local function options(what) return { query = VERSION, what = what } end

-- The tag that says whose value a version has.
local function owner_tag(item) return item.kind == "user" and "user_id" or "client_id" end

local PKCS12, PEM = "application/x-pkcs12", "application/x-pem-file"

-- The text and the content type that a value is stored as.
local function encoded(args, item, value, before)
  if item.credential ~= "certificate" then return value, before and before.version.content_type or "text/plain" end
  if args.format == "pem" then return value, PEM end
  return secret.base64(secret.pkcs12(value)), PKCS12
end

-- The value that a stored text means. A text that is not what its content type says stays as it is.
local function decoded(bundle)
  local value = bundle.value
  local bytes = value and bundle.contentType == PKCS12 and secret.unbase64(value) or value
  local is_key = bundle.contentType == PKCS12 or bundle.contentType == PEM
  return bytes and is_key and secret.pem(bytes) or value
end

local function version_of(bundle)
  return { id = bundle.id:match "[^/]+$", tags = bundle.tags or {}, content_type = bundle.contentType }
end

local function stored(item, bundle)
  local version = version_of(bundle)
  return { value = decoded(bundle), id = version.tags[owner_tag(item)], marker = version.tags.marker, version = version,
    edition = version.id }
end

local function unescaped(text)
  return (text:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end))
end

-- The enabled versions of a secret, without their values, in no particular order.
local function enabled_versions(args, name)
  local found, token = {}, nil
  repeat
    local ask = options("list the versions of the secret " .. name)
    ask.missing, ask.query = "nil", { ["api-version"] = VERSION["api-version"], ["$skiptoken"] = token }
    local answer = call(args, "get", name, peer.path("/secrets/{name}/versions", name), ask)
    local body = answer and answer.body or { value = {} }
    for _, bundle in ipairs(body.value) do
      if bundle.attributes.enabled then found[#found + 1] = version_of(bundle) end
    end
    local link = type(body.nextLink) == "string" and body.nextLink
    token = link and unescaped(link:match "[?&]%$?skiptoken=([^&]*)" or link:match "[?&]%%24skiptoken=([^&]*)")
  until not token
  return found
end

-- A version of a secret, or its latest; nil when there is none, or when it is disabled.
local function read_enabled(args, name, version)
  local ask = options("read the secret " .. name)
  ask.missing = "nil"
  local path = version and peer.path("/secrets/{name}/{version}", name, version) or peer.path("/secrets/{name}", name)
  local ok, answer = pcall(peer[args.peer].get, peer[args.peer], path, ask)
  if ok then return answer end
  if fail.is(answer) and answer.code == "SecretDisabled" then return nil end
  explained(answer, name)
end

-- Everything pending in a slot: the value of this rotation first, where it is among several.
local function read_pending(args, item)
  local name, all = secret_name(args, item), {}
  for _, version in ipairs(enabled_versions(args, name)) do
    local answer = read_enabled(args, name, version.id)
    local place = version.tags.marker == item.marker and 1 or #all + 1
    if answer then table.insert(all, place, stored(item, answer.body)) end
  end
  local first = table.remove(all, 1)
  if first then first.others = all end
  return first
end

local function disable(args, item, id)
  local name = secret_name(args, item)
  call(args, "patch", name, peer.path("/secrets/{name}/{version}", name, id), { attributes = { enabled = false } },
    options("disable a version of the secret " .. name))
end

return {
  summary = "Store secrets in Azure Key Vault",
  args = {
    peer = { type = "string", default = "keys", help = "the name that the profile gives the vault" },
    name = { type = "string", default = "moonlatch-{id}",
      help = "name of the secret; {id} (client id, or object id of a user), {name} and {policy} are filled in" },
    format = { type = "string", choices = { "pkcs12", "pem" }, default = "pkcs12", help = "of a certificate" },
  },
  needs = { peers = { ["{peer}"] = {
    "GET /secrets/{name}/versions", { "GET /secrets/{name}/{version}", answers = { "value" } },
    { "GET /secrets/{name}", answers = { "value" } },
    { "PUT /secrets/{name}", secrets = { "value" } },
    "PATCH /secrets/{name}/{version}",
  } } },
  can = { read_back = true, pending = true, others = true },

  where = function(args, item) return ("the secret %s at %s"):format(secret_name(args, item), args.peer) end,

  read = function(args, item)
    if item.slot ~= "current" then return read_pending(args, item) end
    local answer = read_enabled(args, secret_name(args, item))
    return answer and stored(item, answer.body)
  end,

  store = function(args, item, value, before)
    local name, tags = secret_name(args, item), {}
    local text, content_type = encoded(args, item, value, before)
    for key, tag in pairs(before and before.version.tags or {}) do tags[key] = tag end
    tags[owner_tag(item)], tags.marker = item.id, item.marker
    call(args, "put", name, peer.path("/secrets/{name}", name), {
      value = text, contentType = content_type, tags = tags,
      attributes = { enabled = true, exp = item.ends },
    }, options("store the secret " .. name))
  end,

  -- Of a pending slot, every version with the marker goes: a store whose answer was lost may have made several.
  remove = function(args, item, before)
    if item.slot == "current" then return disable(args, item, before.version.id) end
    for _, version in ipairs(enabled_versions(args, secret_name(args, item))) do
      if version.tags.marker == before.marker then disable(args, item, version.id) end
    end
  end,
}
