--- Check and complete the member `peers` of a profile: the HTTPS services that scripts may reach besides Graph and
--- Devolutions Server.
--
--   peers = {
--     vault = { url = "https://vault.contoso.com", credential = { header = "X-Vault-Token",
--       secret = { from = "sealed" } } },
--     keys  = { url = "https://contoso.vault.azure.net", credential = { scope = "https://vault.azure.net/.default" } },
--     teams = { url = { from = "sealed" } },   -- the whole address is a secret
--   }

local fail = require "fail"
local hint = require "log.hint"
local schema = require "base.schema"
local secret_place = require "base.secret_place"
local sets = require "base.sets"
local sign_in = require "profile.sign_in"
local source = require "profile.source"

local M = {}

---@class profile.peer
---@field name string
---@field url string? "https://vault.contoso.com", without a slash at its end; nil when the address is a secret
---@field address profile.source? of the whole address, when that is a secret
---@field ca string? PEM file that replaces the system's roots
---@field strict_certificates boolean as for login and Graph (true)
---@field loopback boolean is it a program on this machine?
---@field credential profile.peer.credential?
---@field answers string[] places of secrets in the answers that undeclared code reads; "**" (when not set): every text

---@class profile.peer.credential how Moonlatch proves itself to the peer
---@field header string? the header that holds the secret: "X-Vault-Token"
---@field prefix string? before the secret in the header: "Bearer "
---@field secret profile.source? of the header
---@field scope string? of a token from the tenant's login service: "https://vault.azure.net/.default"
---@field sign_in profile.sign_in? of another application, for the token
---@field webhook profile.source? of the secret that signs each request (Standard Webhooks)

local OWN_NAMES = { login = true, graph = true, devolutions = true, identity = true }
local FUNCTION_NAMES = { path = true, names = true } -- of the module `peer`, where each peer is a member by its name

---------------------------------------------------------------------------
-- Checking a credential

local FORMS = 'Write one of { bearer = SOURCE }, { header = "X-Vault-Token", secret = SOURCE }, '
  .. '{ scope = "https://vault.azure.net/.default" } and { webhook = SOURCE }.'

local MEMBERS_OF_FORM = { bearer = {}, header = { secret = true, prefix = true }, scope = { sign_in = true },
  webhook = {} }

local function check_credential_members(credential)
  local form
  for name in pairs(MEMBERS_OF_FORM) do
    if credential[name] ~= nil then
      if form then return ("it has both %s and %s"):format(form < name and form or name, form < name and name or form),
        FORMS end
      form = name
    end
  end
  if not form then return "it says nothing that proves who we are", FORMS end
  for name in pairs(credential) do
    if name ~= form and not MEMBERS_OF_FORM[form][name] then
      return ("%s does not belong to %s"):format(name, form), FORMS
    end
  end
  if form == "header" and not credential.secret then return "header needs secret = SOURCE", FORMS end
end

local RESERVED_HEADERS = { host = true, cookie = true, connection = true, te = true, expect = true, upgrade = true,
  trailer = true, ["content-length"] = true, ["transfer-encoding"] = true, ["proxy-authorization"] = true,
  ["content-type"] = true, accept = true }

local function check_header_name(name)
  if not name:match("^[%w-]+$") then return ('"%s" is not the name of a header'):format(name), FORMS end
  if RESERVED_HEADERS[name:lower()] then
    return ("the header %s is not for a credential"):format(name), FORMS
  end
end

local PERSONS = { browser = true, device_code = true, token = true }

local NO_PERSON = 'Name an application: sign_in = { method = "certificate", … }, "workload_identity", '
  .. '"managed_identity" or "client_secret".'

local function check_application_sign_in(settings)
  if PERSONS[settings.method] then
    return ('method = "%s" is not for a peer: a token for another service is asked for as an application')
      :format(settings.method), NO_PERSON
  end
end

local application_rule = schema.copy_fields(sign_in.rule(source.rule))
application_rule.default = nil
do
  local check_members = application_rule.check
  application_rule.check = function(settings)
    local why, fix = check_members(settings)
    if why then return why, fix end
    return check_application_sign_in(settings)
  end
end

local credential_rule = {
  type = "table", check = check_credential_members,
  members = {
    bearer = source.rule, header = { type = "string", check = check_header_name },
    prefix = { type = "string" }, secret = source.rule, webhook = source.rule,
    scope = { type = "string", check = function(scope)
      if not scope:match("^[%w:/._-]+/%.default$") then
        return ('"%s" is not of the form "https://SERVICE/.default"'):format(scope),
          "An application is given all its permissions of a service at once: write the service, then /.default."
      end
    end },
    sign_in = application_rule,
  },
}

---------------------------------------------------------------------------
-- Checking a peer

local function check_peer_url(url)
  if type(url) ~= "string" then return nil end
  if url:match("^https?://[^/]*@") then
    return "the URL carries a user or a password", "Write the URL without them, and credential = { … } beside it."
  end
  if not (url .. "/"):match("^https://[^/%s?#@]+/[^%s?#]*$") then
    return ('"%s" is not a URL of the form https://HOST'):format(url),
      'Write url = "https://HOST" or "https://HOST/PATH", without a query. Where the whole address is a secret: '
        .. 'url = { from = "sealed" }.'
  end
end

local function check_peer(peer)
  if type(peer.url) == "table" and peer.credential and not peer.credential.webhook then
    return "its address is a secret, so it takes no other credential than { webhook = SOURCE }",
      "Remove credential, or write the address as a text."
  end
end

local address_rule = schema.copy_fields(source.required_rule)
address_rule.type, address_rule.check = { "string", "table" }, function(url)
  if type(url) == "string" then return check_peer_url(url) end
  return source.rule.check(url)
end

local peer_rule = {
  type = "table", check = check_peer,
  misplaced = {
    token = 'Name the place that the secret comes from: credential = { bearer = { from = "sealed" } }.',
    password = "A configuration never contains a secret: see `credential`.",
  },
  members = {
    url = address_rule, ca = { type = "string" }, strict_certificates = { type = "boolean", default = true },
    loopback = { type = "boolean", default = false }, credential = credential_rule,
    answers = { type = "table", each = { type = "string", check = secret_place.problem_in_answer } },
  },
}

-- What is wrong with the names of peers; nil when they are right.
local function check_peer_names(peers)
  for name in pairs(peers) do
    if type(name) ~= "string" or not name:match("^[%w_-]+$") or #name > 64 then
      return ("'%s' cannot be a name here"):format(tostring(name)), "Use letters, digits, - and _, at most 64 of them."
    end
    if OWN_NAMES[name] then
      return ("'%s' is the name of a service that Moonlatch speaks to itself"):format(name), "Choose another name."
    end
    if FUNCTION_NAMES[name] then
      return ("'%s' is a function of the module peer"):format(name), "Choose another name."
    end
  end
end

--- The rule for `peers`.
---@type base.schema.rule
M.rule = { type = "table", default = {}, each = peer_rule, check = check_peer_names }

---------------------------------------------------------------------------
-- Completing

local function complete_credential(given, name, binding, resolve)
  if not given then return nil end
  local credential = { header = given.header, prefix = given.prefix or "", secret = given.secret, scope = given.scope,
    sign_in = given.sign_in, webhook = given.webhook }
  if given.bearer then
    credential.header, credential.prefix, credential.secret = "Authorization", "Bearer ", given.bearer
  end
  local word = M.secret_word(name)
  source.complete(credential.secret, word, binding, resolve)
  source.complete(credential.webhook, word, binding, resolve)
  if credential.sign_in then
    sign_in.complete(credential.sign_in, resolve)
    source.complete(credential.sign_in.secret, word, binding, resolve)
  end
  return credential
end

--- The word for `moonlatch login --secret` that names the secret of a peer.
---@param name string
---@return string
function M.secret_word(name) return "peer-" .. name end

--- The source of the secret that `moonlatch login --secret` stores for a peer, what the secret is, and the member of
--- the profile that names the source; nil when the peer has no secret.
---@param peer profile.peer
---@return profile.source? source, string? what, string? member
function M.secret_source(peer)
  local credential = peer.credential or {}
  local own_sign_in = credential.sign_in or {}
  if peer.address then
    return peer.address, ("the address of the peer '%s'"):format(peer.name), ("peers.%s.url"):format(peer.name)
  end
  return credential.secret or credential.webhook or own_sign_in.secret,
    ("the secret of the peer '%s'"):format(peer.name), ("peers.%s.credential"):format(peer.name)
end

--- Make the peers of a profile from the checked settings.
---@param settings table<string, table>
---@param binding string of the profile
---@param resolve fun(path: string?): string? makes a path absolute
---@return table<string, profile.peer>
function M.complete(settings, binding, resolve)
  local peers = {}
  for name, given in pairs(settings) do
    local is_secret = type(given.url) == "table"
    if is_secret then source.complete(given.url, M.secret_word(name), binding, resolve) end
    peers[name] = {
      name = name, url = not is_secret and given.url:gsub("/+$", "") or nil, address = is_secret and given.url or nil,
      ca = resolve(given.ca), strict_certificates = given.strict_certificates, loopback = given.loopback,
      credential = complete_credential(given.credential, name, binding, resolve), answers = given.answers or { "**" },
    }
  end
  return peers
end

---------------------------------------------------------------------------
-- Refusing peers that are other services, or each other

-- Services that hold the tenant: a script reaches these with rights of its own, never as a peer.
local GRAPH_AND_LOGIN_HOSTS = {
  "login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn", "login.windows.net",
  "login.microsoft.com", "sts.windows.net", "graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us",
  "microsoftgraph.chinacloudapi.cn", "graph.windows.net",
}
local GRAPH_APPLICATION = "00000003-0000-0000-c000-000000000000"

--- Scheme, host and port of a URL, in lower case and with a port: what a credential is bound to.
---@param url string
---@return string
function M.origin(url)
  local scheme, host = url:lower():match("^(%a+)://([^/?#]+)")
  if host:match(":%d+$") and not host:match("^%[[^%]]*$") then return scheme .. "://" .. host end
  return ("%s://%s:%d"):format(scheme, host, scheme == "https" and 443 or 80)
end

local function host_of(url) return M.origin(url):match("^%a+://(.+):%d+$") end

-- What the profile reaches already, by origin.
local function reserved_origins(profile)
  local reserved = { [M.origin(profile.login)] = "login", [M.origin(profile.graph)] = "Graph" }
  local devolutions = profile.devolutions or {}
  for _, url in ipairs { devolutions.server or "", devolutions.cloud or "" } do
    if url ~= "" then reserved[M.origin(url)] = "Devolutions" end
  end
  if profile.sign_in.endpoint then reserved[M.origin(profile.sign_in.endpoint)] = "the metadata service" end
  return reserved
end

local function raise_peer(profile, name, why, fix)
  fail.raise { kind = "config", what = ("%s: profiles.%s.peers.%s"):format(profile.file, profile.name, name),
    why = why, fix = fix }
end

local NOT_A_PEER = "Use the module of that service: graph, devolutions. What a script may do there is in its `needs`."

local function refuse_reserved_origin(profile, peer, url, reserved)
  local host = host_of(url)
  local owner = reserved[M.origin(url)]
  for _, known in ipairs(GRAPH_AND_LOGIN_HOSTS) do owner = owner or host == known and "Microsoft's login or Graph" end
  if owner then raise_peer(profile, peer.name, ("%s is the address of %s"):format(url, owner), NOT_A_PEER) end
  if host:match("^169%.254%.") or host == "metadata.google.internal" or host:match("^%[fe80:") then
    raise_peer(profile, peer.name, ("%s is the address of this machine's metadata service"):format(url),
      "Remove this peer: whoever reads that address can sign in as the machine.")
  end
end

-- https://devblogs.microsoft.com/microsoft365dev/retirement-of-office-365-connectors-within-microsoft-teams/
local function refuse_retired_connector(profile, peer, url)
  if not ("." .. host_of(url)):match("%.webhook%.office%.com$") then return end
  raise_peer(profile, peer.name, ("%s is the address of an Office 365 connector, and Microsoft has retired these")
    :format(M.origin(url)), hint.text('In Teams, make a workflow from the template "Post to a channel when a webhook '
      .. 'request is received", and store its address: {moonlatch} login --secret %s', M.secret_word(peer.name)))
end

local function refuse_scope_of_own_service(profile, peer)
  local scope = peer.credential and peer.credential.scope
  if not scope then return end
  local resource = scope:gsub("/%.default$", ""):gsub("^api://", ""):gsub("/+$", ""):lower()
  local host = resource:match("^https://([^/:]+)")
  local is_own = resource == GRAPH_APPLICATION or host == host_of(profile.graph)
  for _, known in ipairs(GRAPH_AND_LOGIN_HOSTS) do is_own = is_own or host == known end
  local devolutions = profile.devolutions and (profile.devolutions.server or profile.devolutions.cloud)
  is_own = is_own or devolutions ~= nil and host == host_of(devolutions)
  if is_own then
    raise_peer(profile, peer.name, ("a token with the scope %s is one for the tenant itself"):format(scope),
      "Name the scope of the peer's own service. A peer never gets a token for Graph or Devolutions.")
  end
end

local function check_loopback(profile, peer, url)
  local host = host_of(url)
  local is_local = host == "localhost" or host:match("%.localhost$") or host:match("^127%.") or host == "[::1]"
  if peer.loopback and not is_local then
    raise_peer(profile, peer.name, ("loopback = true, but %s is not on this machine"):format(url),
      "Remove loopback, or write the address as 127.0.0.1, [::1] or localhost.")
  elseif is_local and not peer.loopback and profile.kind == "real" then
    raise_peer(profile, peer.name, ("%s is on this machine"):format(url),
      "Where that is meant, such as an agent that runs here, add loopback = true to it.")
  elseif not is_local and profile.kind == "emulator" then
    raise_peer(profile, peer.name, ("an emulator's profile may only reach this machine, and %s is elsewhere")
      :format(url), "Name the address of a test service on this machine.")
  end
end

-- A text that is the same for two credentials that prove the same.
local function fingerprint(value)
  if type(value) ~= "table" then return tostring(value) end
  local parts = {}
  for key, member in pairs(value) do
    if key ~= "word" and not (key == "name" and value.from == "sealed") then
      parts[#parts + 1] = tostring(key) .. "=" .. fingerprint(member)
    end
  end
  if value.from == "sealed" then parts[#parts + 1] = "name=" .. tostring(value.name) end
  table.sort(parts)
  return "{" .. table.concat(parts, ",") .. "}"
end

-- The gate binds a credential to an origin, so one origin has one credential.
local function refuse_two_credentials(profile, peer, first_at)
  local origin = M.origin(peer.url)
  local other = first_at[origin]
  first_at[origin] = other or peer
  if not other or fingerprint(other.credential) == fingerprint(peer.credential) then return end
  raise_peer(profile, peer.name,
    ("the peer '%s' is at the same address, with another credential"):format(other.name),
    "Give both the same credential, or give each service a host name of its own.")
end

--- Refuse a peer at this address when it is that of login, Graph, Devolutions or the metadata service, or on this
--- machine without saying so. Raises "config".
---@param profile profile
---@param peer profile.peer
---@param url string its origin, when the whole address is a secret
function M.check_origin(profile, peer, url)
  refuse_reserved_origin(profile, peer, url, reserved_origins(profile))
  refuse_retired_connector(profile, peer, url)
  check_loopback(profile, peer, url)
end

-- Refuse what is wrong with a peer. `first_at`: the first peer at each origin.
local function check_peer_of_profile(profile, peer, first_at)
  refuse_scope_of_own_service(profile, peer)
  if not peer.url then return end
  M.check_origin(profile, peer, peer.url)
  refuse_two_credentials(profile, peer, first_at)
end

--- One check for each peer, in the order of their names. It raises "config" when the peer would reach login, Graph,
--- Devolutions or the metadata service, or would get the credential of a peer that was checked before.
---@param profile profile with peers
---@return function[]
function M.checks(profile)
  local checks, first_at = {}, {}
  for i, name in ipairs(sets.sorted(profile.peers)) do
    checks[i] = function() check_peer_of_profile(profile, profile.peers[name], first_at) end
  end
  return checks
end

return M
