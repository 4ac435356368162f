--- A sink: HashiCorp Vault or OpenBao, a secrets engine KV of version 2.
--
-- Each application or account has a secret of its own: its members are the value, client_id or user_id, tenant_id and
-- moonlatch_marker. Other members of the secret stay. Every write names the version that was read ("cas"), so the
-- service refuses it when somebody else wrote meanwhile. A pending value is in a second secret, whose path ends with
-- "-pending"; a third and a fourth, "-pending-2" and "-pending-3", are used while an earlier pending value has to stay.
--
-- The peer needs a policy with create, read and update on MOUNT/data/PATH and MOUNT/data/PATH-pending*, read and delete
-- on the same paths below MOUNT/metadata; for users' passwords also update on MOUNT/destroy/PATH-pending*.
-- Source: developer.hashicorp.com/vault/api-docs/secret/kv/kv-v2; openbao.org/api-docs/secret/kv/kv-v2

local fail = require "fail"
local peer = require "peer"

local function refuse_path(args, text)
  fail.raise {
    kind = "refused", what = ("store a secret at '%s'"):format(args.path),
    why = ("'%s' is no name in a path"):format(text),
    fix = "Write the path with {id} in the place of {name}, or without both.",
  }
end

-- The path with {id}, {name} and {policy} filled in.
local function filled_path(args, item)
  local segments = {}
  for segment in args.path:gmatch "[^/]+" do
    local filled = segment:gsub("{([%w_]+)}", item)
    if not filled:match "^[%w._@ -]+$" or filled:match "^%.+$" then refuse_path(args, filled) end
    segments[#segments + 1] = filled
  end
  if #segments == 0 then refuse_path(args, "") end
  return table.concat(segments, "/") .. (item.slot ~= "current" and "-" .. item.slot or "")
end

local function api_path(args, kind, item)
  local path = peer.path("/v1/{mount}", args.mount) .. "/" .. kind
  for segment in filled_path(args, item):gmatch "[^/]+" do path = path .. peer.path("/{segment}", segment) end
  return path
end

local function options(args, what, more)
  more = more or {}
  more.what = what
  more.headers = args.namespace and { ["X-Vault-Namespace"] = args.namespace } or nil
  return more
end

-- The version of a secret whose latest version was deleted: the next write has to name it.
local function deleted_version(args, item)
  local answer = peer[args.peer]:get(api_path(args, "metadata", item),
    options(args, "read the version of a secret", { missing = "nil" }))
  return answer and answer.body.data.current_version or 0
end

local function as_conflict(failure, args, item)
  local is_cas = fail.is(failure, "refused") and tostring(failure.message):find("check-and-set", 1, true)
  if not is_cas then error(failure, 0) end
  fail.raise {
    kind = "conflict", what = failure.what, why = ("somebody else wrote %s since it was read (%s)")
      :format(filled_path(args, item), failure.message),
    fix = "Run the same command again: it reads what is there now.", status = failure.status, cause = failure,
  }
end

-- The members of a secret that say whose value it has.
local function owner_members(item)
  if item.kind == "user" then return { user_id = item.id, user_name = item.name, tenant_id = item.tenant } end
  return { client_id = item.id, tenant_id = item.tenant }
end

return {
  summary = "Store secrets in HashiCorp Vault or OpenBao (KV version 2)",
  args = {
    peer = { type = "string", default = "vault", help = "the name that the profile gives the service" },
    mount = { type = "string", default = "secret", help = "where the secrets engine is mounted, one word" },
    path = { type = "string", default = "moonlatch/{id}",
      help = "path of the secret; {id} (client id, or object id of a user), {name} and {policy} are filled in" },
    field = { type = "string", default = "client_secret", help = "the member of the secret that holds the value" },
    namespace = { type = "string", help = "of Vault Enterprise or OpenBao" },
  },
  needs = { peers = { ["{peer}"] = {
    { "GET /v1/{mount}/data/{path+}", answers = { "data.data.{field}" } },
    { "POST /v1/{mount}/data/{path+}", secrets = { "data.*" } },
    "GET /v1/{mount}/metadata/{path+}", "DELETE /v1/{mount}/metadata/{path+}", "PUT /v1/{mount}/destroy/{path+}",
  } } },
  can = { read_back = true, pending = true, compare = true },

  where = function(args, item) return ("%s/%s"):format(args.mount, filled_path(args, item)) end,

  read = function(args, item)
    local answer = peer[args.peer]:get(api_path(args, "data", item),
      options(args, "read the secret " .. filled_path(args, item), { missing = "nil" }))
    if not answer then return { version = { number = deleted_version(args, item), members = {} } } end
    local found, members = answer.body.data, answer.body.data.data or {}
    return {
      value = members[args.field], id = item.kind == "user" and members.user_id or members.client_id,
      marker = members.moonlatch_marker, edition = ("%d"):format(found.metadata.version),
      version = { number = found.metadata.version, members = members },
    }
  end,

  store = function(args, item, value, before)
    local data = {}
    for name, member in pairs(before.version.members) do data[name] = member end
    for name, member in pairs(owner_members(item)) do data[name] = member end
    data[args.field], data.moonlatch_marker = value, item.marker
    local ok, failure = pcall(peer[args.peer].post, peer[args.peer], api_path(args, "data", item),
      { options = { cas = before.version.number }, data = data },
      options(args, "store the secret " .. filled_path(args, item)))
    if not ok then as_conflict(failure, args, item) end
  end,

  -- A user's pending value is destroyed by the number of its version, so that a request which is carried out late never
  -- removes a later value. Otherwise every version goes.
  remove = function(args, item, before)
    if item.kind == "user" and item.slot ~= "current" then
      peer[args.peer]:put(api_path(args, "destroy", item), { versions = { before.version.number } },
        options(args, "destroy a version of the secret " .. filled_path(args, item)))
      return
    end
    peer[args.peer]:delete(api_path(args, "metadata", item),
      options(args, "remove the secret " .. filled_path(args, item), { missing = "nil" }))
  end,
}
