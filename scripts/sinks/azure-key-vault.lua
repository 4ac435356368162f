--- A sink: secrets of Azure Key Vault.
--
-- Each store makes a new version; older versions stay readable by their id. The service has no compare-and-set: two
-- installations that store at the same moment make two versions, and the one that does not read back its own value
-- reports a conflict. A pending value is in a secret of its own, NAME-pending. Removing disables the latest version,
-- and does not delete the secret: the name of a deleted secret cannot be used until the secret is recovered or purged.
--
-- The peer needs the role Key Vault Secrets Officer, for the whole vault or these secrets.
-- Source: learn.microsoft.com/rest/api/keyvault/secrets; learn.microsoft.com/azure/key-vault/general/rbac-guide

local fail = require "fail"
local peer = require "peer"

local VERSION = { ["api-version"] = "7.4" }
local LONGEST_NAME = 127

-- The name of the secret, with {client_id}, {name} and {policy} filled in. What the service does not accept is refused,
-- so that two names never become the same one.
local function secret_name(args, item)
  local name = args.name:gsub("{([%w_]+)}", item) .. (item.slot == "pending" and "-pending" or "")
  if name:match "^[%w-]+$" and #name <= LONGEST_NAME then return name end
  fail.raise {
    kind = "refused", what = ("store a secret as '%s'"):format(name),
    why = "the name of a secret has letters, digits and -, at most 127 of them",
    fix = "Write the name with {client_id} in the place of {name}, or without both.",
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

return {
  summary = "Store secrets in Azure Key Vault",
  args = {
    peer = { type = "string", default = "keys", help = "the name that the profile gives the vault" },
    name = { type = "string", default = "moonlatch-{client_id}",
      help = "name of the secret; {client_id}, {name} and {policy} are filled in" },
  },
  needs = { peers = { ["{peer}"] = {
    { "GET /secrets/{name}", answers = { "value" } },
    { "PUT /secrets/{name}", secrets = { "value" } },
    "PATCH /secrets/{name}/{version}",
  } } },
  can = { read_back = true, pending = true },

  where = function(args, item) return ("the secret %s at %s"):format(secret_name(args, item), args.peer) end,

  read = function(args, item)
    local name = secret_name(args, item)
    local ask = options("read the secret " .. name)
    ask.missing = "nil"
    local ok, answer = pcall(peer[args.peer].get, peer[args.peer], peer.path("/secrets/{name}", name), ask)
    if not ok and fail.is(answer) and answer.code == "SecretDisabled" then return nil end
    if not ok then explained(answer, name) end
    if not answer then return nil end
    local body, tags = answer.body, answer.body.tags or {}
    return { value = body.value, client_id = tags.client_id, marker = tags.marker,
      version = { id = body.id:match "[^/]+$", tags = tags, content_type = body.contentType } }
  end,

  store = function(args, item, value, before)
    local name, tags = secret_name(args, item), {}
    for key, text in pairs(before and before.version.tags or {}) do tags[key] = text end
    tags.client_id, tags.marker = item.client_id, item.marker
    call(args, "put", name, peer.path("/secrets/{name}", name), {
      value = value, contentType = before and before.version.content_type or "text/plain", tags = tags,
      attributes = { enabled = true, exp = item.ends },
    }, options("store the secret " .. name))
  end,

  remove = function(args, item, before)
    local name = secret_name(args, item)
    call(args, "patch", name, peer.path("/secrets/{name}/{version}", name, before.version.id),
      { attributes = { enabled = false } }, options("disable the secret " .. name))
  end,
}
