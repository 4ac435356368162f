--- Rotations of users' passwords on an emulated tenant in this process, for specs: a policy for one account, runs of
--- it, and looks at what is stored, on record and in force.

local near_cloud = require "near_cloud" -- before what is found by its path
local host_journal = require "host.journal"
local oauth = require "oauth.sign_in"
local passwords = require("journal.rotations").user_passwords
local policy = require "policy"
local profile = require "profile.current"
local resume_and_close = require "rotation.resume_and_close"
local rotate = require "rotate.policies"
local script = require "script.load"
local secret = require "host.secret"
local stage = require "stage"

local M = {}

--- The account that the policy selects.
M.UPN = "t0-chen@contoso.onmicrosoft.com"

--- Where its password is set: a pattern of the request's path.
M.USERS = "^/v1.0/users/"

local KEY = secret.from "0123456789abcdef0123456789abcdef"

---@class password_rotation
---@field cloud near_cloud
---@field journal host.journal
---@field ears table what the program says is kept there, not shown
local Rotation = { __name = "password_rotation" }
Rotation.__index = Rotation

--- A tenant with these options (near_cloud.new), and an empty journal. It goes with close().
---@param options table?
---@return password_rotation
function M.new(options)
  local self = setmetatable({ cloud = near_cloud.new(options) }, Rotation)
  self.ears = stage.ears()
  self:use_journal "j"
  return self
end

--- Use this journal of the tenant's folder from now on. The one before is closed.
---@param name string
---@return host.journal
function Rotation:use_journal(name)
  if self.journal then self.journal:close() end
  self.journal = assert(host_journal.open(self.cloud.folder .. "/" .. name, KEY, "login.example/contoso"))
  return self.journal
end

--- End it.
function Rotation:close()
  self.journal:close()
  self.cloud:__close()
  debug.getmetatable(self.ears).__close()
end

--- The policy for the account, with these fields besides, or in place of its own.
---@param more table?
---@return policy.terms
function M.terms(more)
  local fields = {
    summary = "s", select = policy.users { upn = M.UPN }, every = "30d",
    sink = policy.devolutions.server { vault = "Privileged", path = "Tier0" },
  }
  for name, value in pairs(more or {}) do fields[name] = value end
  return script.check({ name = "policies/x", path = "x.lua" }, policy(fields)).policy
end

--- Call `fn(...)` in a session of the rotator's, signed in anew.
function Rotation:signed_in(fn, ...)
  profile.use(self.cloud.profile)
  local _ <close> = setmetatable({}, { __close = oauth.sign_out })
  self.cloud:run(self.journal, fn, ...)
end

--- Run the policy, or plan it.
---@param how "once"|"plan"
---@param more table? fields of the policy
---@param options table? of the run
---@return table<string, table> accounts by the name before the @
---@return integer status
---@return table found what the run found of the policy
function Rotation:run(how, more, options)
  local all, status
  options = options or {}
  options.journal, options.profile = self.journal, self.cloud.profile
  self:signed_in(function() all, status = rotate[how]({ M.terms(more) }, options) end)
  local rows = {}
  for _, found in ipairs(all) do
    for _, entry in ipairs(found.entries) do rows[entry.name:match("^[^@]*")] = entry end
  end
  return rows, status, all[1]
end

--- What a person does to a rotation on record: "resume" or "close". As pcall returns it.
---@param name string
---@param ... any
---@return boolean ok, any failure
function Rotation:by_hand(name, ...)
  local arguments, ok, result = table.pack(...), nil, nil
  self:signed_in(function()
    ok, result = pcall(resume_and_close[name], self.journal, table.unpack(arguments, 1, arguments.n))
  end)
  return ok, result
end

--- An account's object id.
---@param who string? its name before the @
---@return string
function Rotation:id_of(who) return self.cloud.tenant.ids[who or "t0-chen"] end

--- An account's rotation on record.
---@param who string? its name before the @
---@return table?
function Rotation:row_of(who) return passwords:get(self.journal, self:id_of(who)) end

--- What the sink holds of an account: the password in its entry, those that are pending, and the entry.
---@param upn string?
---@return host.secret? current, host.secret[] pending, table? entry
function Rotation:stored(upn)
  local by_name, pending = self.cloud:entries(), {}
  local current = by_name[upn or M.UPN]
  for i, entry in ipairs(by_name[(upn or M.UPN) .. " (pending)"] or {}) do pending[i] = entry.data.password end
  return current and current[1].data.password, pending, current and current[1]
end

--- Let requests of this kind meet their fates (near_cloud): what `fate_of` says of the nth.
---@param method string
---@param pattern string of the path
---@param fate_of fun(nth: integer): string?
function Rotation:meet(method, pattern, fate_of)
  local seen = 0
  self.cloud.meet = function(request, moment)
    if moment ~= "before" or request.method ~= method or not request.name:find(pattern) then return nil end
    seen = seen + 1
    return fate_of(seen)
  end
end

--- How many requests of this kind came.
---@param method string
---@param pattern string of the path
---@return integer
function Rotation:count(method, pattern)
  local sum = 0
  for _, request in ipairs(self.cloud.requests) do
    if request.method == method and request.name:find(pattern) then sum = sum + 1 end
  end
  return sum
end

--- Have the directory set passwords by `hook`, which gets what does it, how many it is, and the changes. Nil: as it is.
---@param hook nil|fun(plain: function, nth: integer, changes: table): any
function Rotation:change_by(hook)
  local users = self.cloud.tenant.users
  users.change = nil
  if not hook then return end
  local plain, nth = users.change, 0
  users.change = function(list, id, changes, delay)
    if not changes._password then return plain(list, id, changes, delay) end
    nth = nth + 1
    return hook(function() return plain(list, id, changes, delay) end, nth, changes)
  end
end

return M
