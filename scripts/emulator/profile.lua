--- The files that a client of the emulator needs: the certificate of its authority, a key for the journal, and a
--- configuration for --config.

local crypto = require "base.crypto"
local log = require "log"
local secret = require "secret.emulator"

local M = {}

local CONFIG = [[
-- Written by the emulator; it is of no use elsewhere.
local by_entry = { linked = true } -- the provider counts as reading the entry itself
local function server(provider)
  return {
    server = %q,
    ca = "ca.pem",
    app_key = %q,
    app_secret = { from = "file", path = "devolutions.secret" },
    vault = %q,
    linked = provider.linked,
  }
end

local function by(sign_in, devolutions)
  return {
    emulator = { clock = %q },
    tenant = %q,
    cloud = { login = %q, graph = %q, ca = "ca.pem" },
    sign_in = sign_in,
    key = { from = "file", path = "journal.key" },
    devolutions = devolutions or server(by_entry),
  }
end
local device = { method = "device_code", client_id = %q }

return {
  default = %q,
  profiles = {
    emulator = by(device),
    server_unlinked = by(device, server {}),
    cloud = by(device, { cloud = %q }),
    browser = by({ method = "browser", client_id = %q }),
    identity = by({ method = "managed_identity", endpoint = %q }),
  },
}
]]

--- The made-up organisation in Devolutions Cloud. Cloud has no public API, so nothing ever connects to this address.
M.CLOUD = "https://contoso.devolutions.app"

--- The profile that commands use by default, by the value of `--devolutions`.
M.DEFAULTS = { server = "emulator", cloud = "cloud" }

--- 32 bytes that do not end in a newline: readers of key files drop a newline at the end.
local function journal_key()
  local bytes
  repeat bytes = crypto.random(32) until bytes:sub(-1) ~= "\n"
  return secret.from(bytes)
end

-- The clock's path as the profile has it: relative to the folder, whatever the folder is called.
local function clock_of(world)
  local own = world.clock_file == world.place:file("clock")
  return own and "clock" or world.clock_file
end

--- Write the files. Returns what the ready line says.
---@param world emulator.world
---@return table
function M.write(world)
  local place, bases, server = world.place, world.service.bases, world.devolutions
  local graph, machine = bases.graph .. "/v1.0", bases.identity .. "/metadata/identity/oauth2/token"
  if not place:has("journal.key") then place:write("journal.key", journal_key()) end
  place:write("devolutions.secret", server.app_secret)
  return {
    login = bases.login,
    graph = graph,
    devolutions = bases.devolutions,
    cloud = M.CLOUD,
    tenant = world.tenant.domain,
    ca = place:write("ca.pem", world.service.ca),
    config = place:write("moonlatch.lua", CONFIG:format(bases.devolutions, server.app_key, server.vault,
      clock_of(world), world.tenant.domain, bases.login, graph, world.client, M.DEFAULTS[world.consumer], M.CLOUD,
      world.client, machine)),
    identity = {
      machine = machine,
      service = bases.identity .. "/msi/token",
      header = place:write("identity.header", world.login.identity_header),
      how = "POST {\"do\": \"add_identity\", \"with\": [{\"name\": …}]} to " .. bases.login .. "/emulator/tenant turns"
        .. " one on. A service's program gets IDENTITY_ENDPOINT, and what is in `header` as IDENTITY_HEADER.",
    },
    clock = world.clock_file,
    control = bases.login .. "/emulator",
    admin = {
      approves = world.login.approve,
      client_id = world.client,
      people = world.tenant:people(),
      how = "Sign in by device code or in a browser: `approves` does so by itself; POST {\"user\": key} to "
        .. bases.login .. "/emulator/approve to be somebody else.",
    },
  }
end

--- Print what `write` returned, for a person.
---@param ready table
function M.tell(ready)
  log.prose(("A made-up tenant is served here, %s, until Ctrl-C. Beside it, in another terminal:\n")
    :format(ready.tenant))
  log.command(("  moonlatch plan setup/entra-pam-provider --config %s"):format(ready.config))
  log.command(("  curl --cacert %s %s/%s/v2.0/.well-known/openid-configuration"):format(ready.ca, ready.login,
    ready.tenant))
  local lines = {
    "",
    "  login        " .. ready.login,
    "  Graph        " .. ready.graph,
    "  Devolutions  " .. ready.devolutions .. "  (Devolutions Server: profiles emulator and server_unlinked)",
    "  Cloud        " .. ready.cloud .. "  (profile cloud; nothing connects to this address)",
    ("  control      %s  (faults, clock, people: GET it to read how)"):format(ready.control),
    "",
    ("Who signs in, by device code or in a browser: %s; --approve takes another:"):format(ready.admin.approves),
    "",
  }
  for _, person in ipairs(ready.admin.people) do
    lines[#lines + 1] = ("  %-11s %s"):format(person.key, person.about)
  end
  lines[#lines + 1] = "\nInto a pipe, all of this is one line of JSON."
  log.prose(table.concat(lines, "\n"))
end

return M
