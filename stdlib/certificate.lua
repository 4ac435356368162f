--- The certificate with which an application signs in from this machine. It is made here, proven, and sealed beside the
--- journal; unencrypted only in a file that a person asked for.
---
--- Runs on this machine read it at their next sign-in, so it is in use as soon as it is stored.

local class = require "base.class"
local credentials = require "rotation.credential"
local crypto = require "host.crypto"
local key_credentials = require "entra.key_credentials"
local key_file = require "oauth.key_file"
local named_path = require "machine.named_path"
local options_of = require("base.options").of
local resource = require "resource.new"
local retirement = require "rotation.retirement"
local rotation_certificate = require "rotation.certificate"
local sealed_key = require "oauth.sealed_key"
local sys = require "host.sys"
local time = require "time"

local M = {}

---@class certificate.fields: rotation.fields
---@field path string? a file for an unencrypted copy, besides the sealed one
---@field used_here boolean do runs on this machine sign in with the sealed one?

---@class certificate.Certificate the certificate of an application, and where it is stored on this machine
---@field run workflow.Run
---@field application table
---@field places table[] the sealed key, and unencrypted files
---@field clear certificate.keyfile?
---@field is_former boolean? does that file come from an earlier version, and did nobody ask for it now?
---@field used_here boolean
---@field credential rotation.Credential
local Certificate = class("certificate.Certificate", { open = { "prove", "place", "confirms" } })

---------------------------------------------------------------------------
-- The place of the certificate, in the form that adoption expects

local function sha256_of(about) return crypto.hex(about.sha256) end

local function row_of(self, about)
  for _, row in ipairs(rotation_certificate.rows:all(self.run.journal, self.application.appId)) do
    if row.body.sha256 == sha256_of(about) then return row end
  end
end

-- Is this certificate one of the application's, by the journal or by Entra?
local function is_its(self)
  return function(about)
    if not resource.known(self.application) then return false end
    local found = row_of(self, about) or key_credentials.find(rotation_certificate.listed(self.application),
      { sha256 = sha256_of(about) })
    return found ~= nil
  end
end

--- The key in the first place that has one. Raises "not_ours" for a file of somebody else.
---@return host.secret?
function Certificate:held()
  for i = #self.places, 1, -1 do
    local pem = self.places[i]:open(is_its(self))
    if pem then return pem end
  end
end

--- No marker is stored beside a key.
function Certificate.marker() return nil end

--- Nothing has to be read before.
function Certificate.fetch() end

--- Does whoever signs in with it run on this machine?
---@return boolean
function Certificate:confirms() return self.used_here == true end

function Certificate:__tostring() return self.places[#self.places]:where() end

---------------------------------------------------------------------------
-- Finding or making one

local function clear_file(self, fields)
  local former = self.run.profile.state and self.run.profile.state .. "/rotator.pem" -- where earlier versions wrote it
  self.is_former = not fields.path and former ~= nil and sys.stat(former) ~= nil
  local path = fields.path or self.is_former and former
  self.clear = path and key_file.at(path) or nil
  table.insert(self.places, self.clear)
end

local function undo_place(self, place)
  local pem, key = place:open(function() return true end)
  local row = key and row_of(self, key:describe())
  if not row then return end
  place.ours = function() return retirement.is_ours_to_remove(self.credential, row) end
  self.run:add_removal(place, pem)
end

local function undo(self)
  if not resource.known(self.application) then return end
  for _, place in ipairs(self.places) do undo_place(self, place) end
end

local read_fields = options_of("certificate.ensure", {
  application = "table", name = "string", policy = "table", path = "string", used_here = "boolean",
  lifetime = "number", renew_before = "number", every = "number", grace = "number", description = "string",
  renew = "string|boolean", old_now = "boolean", in_use = "string", rhythm = "number", retire_unused = "boolean",
  questions = "table",
})

--- Find the certificate of the application, or make one when there is none, it is due, or somebody removed it. Ends in
--- the state "known" or later. Waits.
---@param run workflow.Run
---@param fields certificate.fields
---@return certificate.Certificate
function M.ensure(run, fields)
  fields = read_fields(fields)
  if fields.path then named_path.check(fields.path, "write the key of a certificate") end
  local self = Certificate {
    run = run, application = fields.application, places = {}, used_here = fields.used_here,
  }
  self.places[1] = sealed_key.of(run.profile, fields.application, fields.name)
  clear_file(self, fields)
  if self.clear and run.mode ~= "destroy" then self.clear:open(is_its(self)) end -- before anything is made
  fields.sink = self
  self.credential = credentials.ensure(rotation_certificate, run, fields)
  if run.mode == "destroy" then undo(self) end
  return self
end

--- Prove it: three sign-ins, and the roles that a token must carry. One sign-in is enough for one that was proven
--- before. Waits.
---@param roles string[]
function Certificate:prove(roles) self.credential:prove(roles) end

---------------------------------------------------------------------------
-- Using it

-- Tell who must act: a running service reads the file again at its next sign-in; copies of the file are unknown here.
local function tell_services(self)
  local row = self.clear and self.credential.view.retiring[1]
  if not row then return end
  self.run:note("a service that got the key by LoadCredential= keeps the old one: restart it before %s",
    time.day(row.body.retire_at))
end

local function tell_former(self)
  if not self.is_former then return end
  self.run:leave(self.clear.kind, self.clear.name, ("it holds the key in clear, as an earlier version wrote it, and is "
    .. "kept up to date. Once every profile says certificate = { from = \"sealed\" }: rm '%s'"):format(self.clear.name))
end

--- Store a proven certificate where runs on this machine sign in with it. Then remove what it replaced, by date. Waits.
function Certificate:place()
  local run, credential = self.run, self.credential
  if run.mode == "destroy" then return end
  for _, place in ipairs(self.places) do
    place:hold(credential.value)
    run:ensure(place)
  end
  if run:acting() then
    credential:placed("stored", tostring(self))
    if self.used_here then credential:confirm "runs on this machine sign in with it" end
  end
  tell_services(self)
  tell_former(self)
  credential:tidy()
end

return M
