--- A file that holds a key and its certificate unencrypted (mode 0600). It is written when a person asks for it, and
--- read by a run that signs in with it: a profile's `sign_in` or the unit of a service names it.

local crypto = require "host.crypto"
local fail = require "fail"
local resource = require "resource.new"
local secret = require "host.secret"
local sys = require "host.sys"

---@class certificate.keyfile: resource.Resource
---@field pem host.secret|any the content that it should have; unknown in a plan
---@field is_ours fun(about: table): boolean does this certificate belong to the application?
local File = resource.kind "key file"

local M = {}

--- The file of that path.
---@param path string
---@return certificate.keyfile
function M.at(path)
  return File { name = path, made = "readable by you only" }
end

local function raise(path, why, fix)
  fail.raise { kind = "not_ours", what = "use the key file " .. path, why = why, fix = fix }
end

-- The key in the file; nil when there is no file. Anything else at that path is not touched.
local function content(path)
  if not sys.stat(path) then return nil end
  local pem, message, kind = sys.read_secret(path, "person", "whole")
  if not pem then
    raise(path, message, kind == "mode" and ("Its key is a secret: chmod 600 '%s'."):format(path)
      or "Name another one: --key-file PATH.")
  end
  local key, why = crypto.certificate(pem)
  if not key then
    raise(path, "there is a file already, and it is no key file of ours: " .. why,
      "Name another one: --key-file PATH.")
  end
  return pem, key
end

--- Read the file before anything is made.
---@param is_ours fun(about: table): boolean
---@return host.secret? pem, host.crypto.key? key
function File:open(is_ours)
  local pem, key = content(self.name)
  if not pem or is_ours(key:describe()) then return pem, key end
  raise(self.name, "there is a file already, and its certificate is not one of this application",
    "Name another one: --key-file PATH.")
end

--- Set the content that it should have.
---@param pem host.secret|any
function File:hold(pem) self.pem = pem end

--- The path, for people.
---@return string
function File:where() return self.name end

function File:read()
  local pem = content(self.name)
  return pem and { pem = pem }
end

function File:differs(actual)
  if not resource.known(self.pem) then
    return { { member = "key", to = self.pem, text = "key and certificate: the new ones" } }
  end
  if secret.equals(actual.pem, self.pem) then return {} end
  return { { member = "key", to = self.pem, text = "key and certificate: the new ones" } }
end

function File:create()
  local folder = self.name:match("^(.*)/[^/]*$")
  if folder and folder ~= "" then sys.mkdir(folder) end
  local ok, message = sys.write(self.name, self.pem, "replace")
  if ok then return { pem = self.pem } end
  fail.raise {
    kind = "config", what = "write the key file " .. self.name, why = message or "it cannot be written",
    fix = "The key is kept in the journal: name another file with --key-file and run the same command again.",
  }
end

function File:update() return self:create() end

-- The content is durable when the call that wrote it returns.
function File.seen() return true end

function File:delete()
  local ok, message = sys.remove(self.name)
  if ok then return end
  fail.raise { kind = "config", what = "remove the key file " .. self.name, why = message,
    fix = "Remove it by hand: the certificate in it is no longer of use." }
end

File.gone = false

return M
