--- Rotations played against the emulator without a server, and what each costs it,
--- in hundreds of steps of the virtual machine: the same on every machine.

package.path = SOURCE .. "/scripts/?.lua;" .. package.path

local devolutions = require "emulator.devolutions"
local fake = require "fake_tenant"
local json = require "json"
local secret = require "host.secret"

local M = {}

local DAY = 86400
local STEPS = 100 -- between two counts
local SAMPLE = 200 -- rotations
local SESSION = "a session that the test knows"

local function cost_of(f, ...)
  local count = 0
  debug.sethook(function() count = count + 1 end, "", STEPS)
  f(...)
  debug.sethook()
  return count
end

--- What each of the first few and of the last few of so many rotations cost.
---@param total integer
---@param rotate fun(n: integer)
---@return number first, number last
function M.first_and_last(total, rotate)
  local first, last = 0, 0
  for n = 1, total do
    if n <= SAMPLE then
      first = first + cost_of(rotate, n)
    elseif n > total - SAMPLE then
      last = last + cost_of(rotate, n)
    else
      rotate(n)
    end
  end
  return first / SAMPLE, last / SAMPLE
end

-- A vault as its clients see it.
local function open_vault(world)
  local server = devolutions.new { now = function() return world.time end }
  local path = "/api/v1/vault/" .. server:vault_id "Privileged" .. "/entry"
  server.sessions = { { token = secret.from(SESSION), till = math.huge } }
  return function(method, id, query, body)
    local status, _, answer = devolutions.handle(server, {
      method = method, path = path .. id, query = query or {}, body = body, header = function() return SESSION end,
    })
    assert(status < 300, status)
    return answer
  end
end

local function entry_of(name, value, tag)
  return { name = name, path = "Bench", type = "Credential", subType = "Default", tags = json.array { tag or "t" },
    data = { username = name, password = value } }
end

-- Store it in the user's entry, which is made if there is none; its id.
local function store(vault, stored, id, value)
  if not stored then return vault("POST", "", nil, entry_of(id, value)).id end
  vault("PUT", "/" .. stored, nil, entry_of(id, value))
  return stored
end

local function expect(status, got)
  if status ~= got then error(("status %s instead of %d"):format(got, status), 2) end
end

--- A rotation of user n's password, again after a month when all had their turn.
---@param users integer
---@return fun(n: integer)
function M.passwords(users)
  local world = fake.new { users = users, lag = false, flags = { synced_reset = "cloud" } }
  local app = world:claims(world.tenant:add_app { name = "App", roles = { "Privileged Authentication Administrator" },
    permissions = { "User-PasswordProfile.ReadWrite.All", "User.Read.All" } })
  local vault, stored = open_vault(world), {}
  return function(n)
    if n > 1 and n % users == 1 then world:wait(31 * DAY) end
    local id, value = world.tenant.users.crowd.id((n - 1) % users + 1), secret.generate(64)
    local pending = vault("POST", "", nil, entry_of(id .. " (pending)", value, "pending")).id
    assert(#vault("GET", "", { tag = "pending", pageSize = "1000" }).data == 1)
    vault("GET", "", { name = id })
    expect(204, (world:ask(app, "PATCH", "/users/" .. id, { passwordProfile = { password = value } })))
    expect(200, (world:ask(app, "GET", "/users/" .. id .. "?$select=id,lastPasswordChangeDateTime")))
    stored[id] = store(vault, stored[id], id, value)
    assert(secret.equals(vault("GET", "/" .. stored[id]).data.password, value))
    vault("DELETE", "/" .. pending)
  end
end

--- A rotation of a secret of application n, again after a month when all had their turn.
---@param applications integer
---@return fun(n: integer)
function M.client_secrets(applications)
  local world = fake.new { lag = false }
  local app = world:claims(world.tenant:add_app { name = "App", permissions = { "Application.ReadWrite.All" } })
  local made, old = {}, {}
  for i = 1, applications do made[i] = world.tenant:add_app { name = "App " .. i, permissions = {} } end
  return function(n)
    local which = (n - 1) % applications + 1
    if n > 1 and which == 1 then world:wait(31 * DAY) end
    local path = "/applications/" .. made[which].id
    local status, added = world:ask(app, "POST", path .. "/addPassword", { passwordCredential = {} })
    expect(200, status)
    for _ = 1, 3 do assert(world.tenant:check_secret(made[which].appId, added.secretText)) end
    if old[which] then expect(204, (world:ask(app, "POST", path .. "/removePassword", { keyId = old[which] }))) end
    old[which] = added.keyId
    expect(200, (world:ask(app, "GET", path .. "?$select=id,passwordCredentials")))
  end
end

return M
