--- A sink: a key in a Secret of Kubernetes.
--
-- Every write names the resourceVersion that was read, so the service refuses it when somebody else wrote meanwhile.
-- Other keys of the Secret stay. A pending value is in another key of the same Secret, KEY-pending, which no pod should
-- mount; KEY-pending-2 and KEY-pending-3 are used while an earlier pending value has to stay. Environment variables of
-- running pods do not change; mounted files follow in about a minute.
--
-- A certificate is stored in a Secret of type kubernetes.io/tls, as tls.key and tls.crt; a pending one in a second
-- Secret, NAME-pending, of type Opaque, from which both can be removed.
--
-- The peer needs get, patch and create on secrets of this namespace; create only where the Secret does not exist yet.
-- Source: kubernetes.io/docs/reference/kubernetes-api/config-and-storage-resources/secret-v1;
-- kubernetes.io/docs/reference/using-api/api-concepts (resource versions, patch)

local fail = require "fail"
local json = require "json"
local peer = require "peer"
local secret = require "secret"

local LONGEST_KEY = 57 -- the names of annotations have 63 characters at most after the "/"
local MERGE_PATCH = { ["Content-Type"] = "application/merge-patch+json" }

local function refuse_name(what, name)
  fail.raise {
    kind = "refused", what = ("store a secret at '%s'"):format(name),
    why = ("%s of Kubernetes has lower-case letters, digits, - and ."):format(what),
    fix = "Write it with {id} in the place of {name}, or without both.",
  }
end

local TLS_KEY, TLS_CERTIFICATE = "tls.key", "tls.crt"

local function is_tls(item) return item.credential == "certificate" end

local function secret_name(args, item)
  local suffix = is_tls(item) and item.slot ~= "current" and "-" .. item.slot or ""
  local name = args.name:gsub("{([%w_]+)}", item) .. suffix
  if not name:match "^%l[%l%d.-]*$" or #name > 253 then refuse_name("the name of a Secret", name) end
  return name
end

local function data_key(args, item)
  if is_tls(item) then return TLS_KEY end
  local key = args.key:gsub("{([%w_]+)}", item) .. (item.slot ~= "current" and "-" .. item.slot or "")
  local is_valid = key:match "^[%w_-]+$" and #key <= LONGEST_KEY
  if not is_valid then refuse_name("a key that is stored here, in a Secret,", key) end
  return key
end

-- The names of the annotations that say whose value a key has.
local function annotation_names(key)
  return "moonlatch/" .. key .. ".id", "moonlatch/" .. key .. ".mark"
end

local function api_path(args, item)
  return peer.path("/api/v1/namespaces/{namespace}/secrets/{name}", args.namespace, secret_name(args, item))
end

local function options(args, item, verb)
  return { what = ("%s the Secret %s/%s"):format(verb, args.namespace, secret_name(args, item)) }
end

local function change(args, item, before, data, annotations)
  local ask = options(args, item, "change")
  ask.headers = MERGE_PATCH
  local ok, failure = pcall(peer[args.peer].patch, peer[args.peer], api_path(args, item),
    { metadata = { resourceVersion = before.version, annotations = annotations }, data = data }, ask)
  if ok then return end
  if not fail.is(failure) or failure.status ~= 422 then error(failure, 0) end
  fail.raise {
    kind = failure.kind, what = failure.what, why = failure.why, status = failure.status, code = failure.code,
    cause = failure,
    fix = "An immutable Secret cannot be changed: delete it and create it without `immutable`, or choose another name.",
  }
end

local function create(args, item, data, annotations)
  peer[args.peer]:post(peer.path("/api/v1/namespaces/{namespace}/secrets", args.namespace), {
    apiVersion = "v1", kind = "Secret",
    type = is_tls(item) and item.slot == "current" and "kubernetes.io/tls" or "Opaque",
    metadata = { name = secret_name(args, item), annotations = annotations }, data = data,
  }, options(args, item, "create"))
end

local function decode(ask, data, key)
  local value = data[key]
  local decoded = value and secret.unbase64(value)
  if decoded or not value then return decoded end
  fail.raise { kind = "bad_answer", what = ask.what, why = ("the key %s is not base64"):format(key),
    fix = "Look at the Secret: kubectl get secret -o yaml" }
end

-- The value in the Secret. A key without its certificate is not a pair of ours: the key alone is returned.
local function value_of(ask, item, data, key)
  local value = decode(ask, data, key)
  if not is_tls(item) or not value then return value end
  local certificate = decode(ask, data, TLS_CERTIFICATE)
  return certificate and secret.pem(value, certificate) or value
end

local function data_of(item, key, value)
  if not is_tls(item) then return { [key] = secret.base64(value) } end
  return {
    [TLS_KEY] = secret.base64(secret.private_key(value)), [TLS_CERTIFICATE] = secret.base64(secret.certificate(value)),
  }
end

return {
  summary = "Store secrets in a Secret of Kubernetes",
  args = {
    peer = { type = "string", default = "kubernetes", help = "the name that the profile gives the API server" },
    namespace = { type = "string", required = true, help = "namespace of the Secret" },
    name = { type = "string", required = true,
      help = "name of the Secret; {id} (client id, or object id of a user) and {policy} are filled in" },
    key = { type = "string", default = "client-secret", help = "key in the Secret, without a dot; {id} is filled in" },
  },
  needs = { peers = { ["{peer}"] = {
    { "GET /api/v1/namespaces/{namespace}/secrets/{name}", answers = { "data.*" } },
    { "PATCH /api/v1/namespaces/{namespace}/secrets/{name}", secrets = { "data.*" }, answers = { "data.*" } },
    { "POST /api/v1/namespaces/{namespace}/secrets", secrets = { "data.*" }, answers = { "data.*" } },
  } } },
  can = { read_back = true, pending = true, compare = true },

  where = function(args, item)
    return ("%s in the Secret %s/%s"):format(data_key(args, item), args.namespace, secret_name(args, item))
  end,

  read = function(args, item)
    local ask = options(args, item, "read")
    ask.missing = "nil"
    local answer = peer[args.peer]:get(api_path(args, item), ask)
    if not answer then return nil end
    local key, found = data_key(args, item), answer.body
    local id, marker = annotation_names(key)
    local annotations, value = found.metadata.annotations or {}, value_of(ask, item, found.data or {}, key)
    return { value = value, id = annotations[id], marker = annotations[marker],
      version = found.metadata.resourceVersion, edition = found.metadata.resourceVersion }
  end,

  store = function(args, item, value, before)
    local key = data_key(args, item)
    local id, marker = annotation_names(key)
    local annotations, data = { [id] = item.id, [marker] = item.marker }, data_of(item, key, value)
    if before then return change(args, item, before, data, annotations) end
    create(args, item, data, annotations)
  end,

  remove = function(args, item, before)
    local key = data_key(args, item)
    local id, marker = annotation_names(key)
    local data = { [key] = json.null, [TLS_CERTIFICATE] = is_tls(item) and json.null or nil }
    change(args, item, before, data, { [id] = json.null, [marker] = json.null })
  end,
}
