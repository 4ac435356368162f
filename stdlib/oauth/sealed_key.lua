--- The key and certificate with which an application signs in, in a file that only the profile's key opens.
--- `certificate = { from = "sealed" }` in a profile's sign_in reads it.

local crypto = require "host.crypto"
local resource = require "resource.new"
local sealed_file = require "profile.sealed_file"
local secret = require "host.secret"

---@class certificate.sealed_key: resource.Resource
---@field profile profile
---@field application table
---@field pem host.secret|any the content that it should have; unknown in a plan
local Key = resource.kind "sealed key"

local M = {}

--- The name of the file, beside the profile's journal; see profile.sealed_file.
---@param client_id string
---@return string
function M.name(client_id) return "certificate-" .. client_id end

--- The sealed key of an application.
---@param profile profile
---@param application table
---@param name string of the application
---@return certificate.sealed_key
function M.of(profile, application, name)
  return Key {
    name = name, profile = profile, application = application, from = { application },
    made = "beside the journal, opened by the profile's key only",
  }
end

local function name_of(self) return M.name(self.application.appId) end

--- The key in the file. Nil when there is no file.
---@return host.secret? pem, host.crypto.key? key
function Key:open()
  local pem = sealed_file.read(self.profile, name_of(self))
  return pem, pem and crypto.certificate(pem) or nil
end

--- Set the content that it should have.
---@param pem host.secret|any
function Key:hold(pem) self.pem = pem end

--- The path, for people.
---@return string
function Key:where() return sealed_file.path(self.profile, name_of(self)) end

function Key:key() return "sealed key/" .. self.application.appId end

function Key:read()
  local pem = self:open()
  return pem and { pem = pem }
end

function Key:differs(actual)
  if resource.known(self.pem) and secret.equals(actual.pem, self.pem) then return {} end
  return { { member = "key", to = self.pem, text = "key and certificate: the new ones" } }
end

function Key:create()
  sealed_file.write(self.profile, name_of(self), { client_id = self.application.appId }, self.pem)
  return { pem = self.pem }
end

function Key:update() return self:create() end

-- The content is durable when the call that wrote it returns.
function Key.seen() return true end

function Key:delete() sealed_file.remove(self.profile, name_of(self)) end

Key.gone = false

return M
