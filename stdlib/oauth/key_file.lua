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
local KeyFile = resource.kind "key file"

local M = {}

--- The file of that path.
---@param path string
---@return certificate.keyfile
function M.at(path)
  return KeyFile { name = path, made = "readable by you only" }
end

local function raise(path, why, fix)
  fail.raise { kind = "not_ours", what = "use the key file " .. path, why = why, fix = fix }
end

-- The key in the file; nil when there is no file. Anything else at that path is not touched.
local function content(path)
  if not sys.stat(path) then return nil end
  local pem, message, kind = sys.read_secret(path, "person", "whole")
  if not pem then
    raise(path, message, kind == "mode" and ("Close it to other users: chmod 600 '%s'"):format(path)
      or "Name another file with --key-file PATH.")
  end
  local key, why = crypto.certificate(pem)
  if not key then
    raise(path, "it holds something else: " .. why,
      "Name another file with --key-file PATH: this one is never overwritten.")
  end
  return pem, key
end

--- Read the file before anything is made.
---@param is_ours fun(about: table): boolean
---@return host.secret? pem, host.crypto.key? key
function KeyFile:open(is_ours)
  local pem, key = content(self.name)
  if not pem or is_ours(key:describe()) then return pem, key end
  raise(self.name, "it holds a certificate that is not one of this application",
    "Name another file with --key-file PATH: this one is never overwritten.")
end

--- Set the content that it should have.
---@param pem host.secret|any
function KeyFile:hold(pem) self.pem = pem end

--- The path, for people.
---@return string
function KeyFile:where() return self.name end

function KeyFile:read()
  local pem = content(self.name)
  return pem and { pem = pem }
end

function KeyFile:differs(actual)
  if not resource.known(self.pem) then
    return { { member = "key", to = self.pem, text = "key and certificate: the new ones" } }
  end
  if secret.equals(actual.pem, self.pem) then return {} end
  return { { member = "key", to = self.pem, text = "key and certificate: the new ones" } }
end

function KeyFile:create()
  local folder = self.name:match("^(.*)/[^/]*$")
  if folder and folder ~= "" then sys.mkdir(folder) end
  local ok, message = sys.write(self.name, self.pem, "replace")
  if ok then return { pem = self.pem } end
  fail.raise {
    kind = "config", what = "write the key file " .. self.name, why = message or "it cannot be written",
    fix = "The key is kept in the journal: name another file with --key-file and run the same command again.",
  }
end

function KeyFile:update() return self:create() end

-- The content is durable when the call that wrote it returns.
function KeyFile.seen() return true end

function KeyFile:delete()
  local ok, message = sys.remove(self.name)
  if ok then return end
  fail.raise { kind = "config", what = "remove the key file " .. self.name, why = message,
    fix = ("Remove it by hand: rm '%s'. The certificate in it is not used any more."):format(self.name) }
end

KeyFile.gone = false

return M
