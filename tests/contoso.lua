--- A tenant that is not there: a profile, a door that answers its sign-in, and a clock.

local fake = require "fake_door"
local oauth = require "oauth.sign_in"
local profile = require "profile.current"
local sys = require "host.sys"

local M = {}

M.TOKEN = "/contoso.onmicrosoft.com/oauth2/v2.0/token"

local function secret_file(folder, name, text)
  local path = folder .. "/" .. name
  assert(sys.write(path, text, "new"))
  return { from = "file", path = path }
end

--- The answer of the token endpoint.
---@param changes table?
---@return table
function M.token(changes)
  local body = { token_type = "Bearer", expires_in = 3600, access_token = "access-token-1" }
  for name, value in pairs(changes or {}) do body[name] = value end
  return { 200, {}, body }
end

---@class contoso
---@field door fake.door
---@field clock fake.clock
---@field profile profile
---@field folder string
local Contoso = { __name = "contoso" }
Contoso.__index = Contoso

--- Run `fn(...)` as a task in this tenant.
function Contoso:run(fn, ...)
  return fake.run(self.door, self.clock, fn, ...)
end

--- The error `fn(...)` raises; fails when it raises none.
function Contoso:fails(fn, ...)
  local ok, err = pcall(self.run, self, fn, ...)
  assert(not ok, "no error was raised")
  return err
end

--- Seconds that passed.
function Contoso:passed()
  return self.clock.passed
end

function Contoso:close()
  oauth.sign_out()
  profile.use(nil)
  sys.remove_tree(self.folder)
end

Contoso.__close = Contoso.close

--- A tenant with an application that signs in by secret (or `sign_in` instead).
---@param sign_in table?
---@return contoso
function M.new(sign_in)
  local folder = assert(sys.temporary("contoso"))
  local self = setmetatable({ door = fake.door(), clock = fake.clock(), folder = folder }, Contoso)
  self.profile = {
    name = "contoso", kind = "real", tenant = "contoso.onmicrosoft.com", login = "https://login.example",
    graph = "https://graph.example/v1.0",
    sign_in = sign_in or { method = "client_secret", client_id = "app-1",
      secret = secret_file(folder, "sign-in", "sign-in-secret-1") },
    devolutions = { server = "https://dvls.example/dvls", app_key = "key-1",
      app_secret = secret_file(folder, "app-secret", "app-secret-1") },
  }
  profile.use(self.profile)
  oauth.sign_out()
  self.door:on("POST", M.TOKEN, M.token())
  return self
end

return M
