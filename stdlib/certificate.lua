--- The certificate an application signs in with from this machine, kept so that
--- nothing in force is lost: made here and sealed, uploaded, proven by signing in,
--- written to its file, and only then is the one before it let go.
--
-- As with a client secret (`rotation`) each state is on record before the next is
-- begun, so any run can go on where another stopped. Here we choose the key, so an
-- answer that is lost costs nothing: the same certificate is uploaded again.

local crypto = require "host.crypto"
local fail = require "fail"
local keyfile = require "certificate.keyfile"
local listed = require "certificate.listed"
local mint = require "rotation.mint"
local prove = require "rotation.prove"
local resource = require "resource"
local rows = require("rotation.store").certificates
local time = require "time"
local upkeep = require "rotation.upkeep"

local M = {}

local KIND = "certificate"
local SKEW = 300 -- seconds it is valid already when it is made
local NOT_OURS = 700027 -- what a certificate that is not on the application is refused with

---@class certificate.terms
---@field name string of the application
---@field policy entra.credential_policy
---@field lifetime number? seconds, as it was asked for
---@field renew_before number seconds
---@field grace number seconds

---@class certificate.Certificate
---@field run workflow.Run
---@field application table
---@field terms certificate.terms
---@field file certificate.keyfile
---@field rows certificate.row[]
---@field listed table[] what Entra lists
---@field row certificate.row? the one to be in use when all is done; nil in a plan that has yet to make one
---@field pem host.secret|any its key and certificate; unknown in such a plan
local Certificate = {}
Certificate.__index = Certificate

---------------------------------------------------------------------------
-- What there is

local function look(self)
  local journal, application = self.run.journal, self.application
  self.rows = rows:all(journal, application.appId)
  self.listed = application.made_now and {} or listed.read(application)
end

local function newest_of(self)
  local newest
  for _, row in ipairs(self.rows) do
    if rows:usable(row) and row.body.ends > mint.now() then newest = row end
  end
  return newest
end

local function sha256_of(about) return crypto.hex(about.sha256) end

local function row_of(self, about)
  for _, row in ipairs(self.rows) do
    if row.body.sha256 == sha256_of(about) then return row end
  end
end

local function entry_of(self, about)
  return listed.find(self.listed, { body = { sha256 = sha256_of(about) } })
end

local function raise_unsettled(self, entry)
  fail.raise {
    kind = "conflict", what = "go on with the key file " .. self.file.name,
    why = ("its certificate is not of this journal, Entra lists it (%s), but a sign-in with it is refused")
      :format(entry.keyId),
    fix = "Remove that certificate in the portal (or name another --key-file), then run the same command again.",
  }
end

-- A lost journal adopts before it makes: what lies in the file and signs in is in use.
local function adopt(self, pem, key)
  local about = key:describe()
  local entry = entry_of(self, about)
  if row_of(self, about) or not entry then return end
  local accepted, failure = prove.once(self.application.appId, key)
  if not accepted then
    prove.raise_if_passing(self.application.appId, failure)
    raise_unsettled(self, entry)
  end
  local row = rows:new(self.run.journal, {
    application = self.application.id, app_id = self.application.appId, name = self.terms.name, workflow = self.run.id,
    marker = tostring(entry.displayName or entry.keyId), key_id = entry.keyId, sha256 = sha256_of(about),
    ends = about.not_after, made_at = mint.now(), proven_at = mint.now(), adopted = true,
  })
  row.state = "in_use"
  if self.run:acting() then
    rows:seal(self.run.journal, row, pem)
    rows:put(self.run.journal, row, "in_use", { where = self.file.name })
  end
  self.adopted_pem = pem
  table.insert(self.rows, row)
  self.run:note("%s holds a certificate this journal does not know; it signs in, so it is adopted", self.file.name)
end

local function open_file(self)
  local pem, key = self.file:open(function(about)
    return row_of(self, about) ~= nil or entry_of(self, about) ~= nil
  end)
  if pem then adopt(self, pem, key) end
end

-- Removed from the application by somebody? Lists lag, so only a clear refusal counts.
local function is_gone(self, row, key)
  if row.state == "made" or listed.find(self.listed, row) then return false end
  local accepted, failure = prove.once(self.application.appId, key)
  if accepted or failure.code ~= NOT_OURS then return false end
  return row.state ~= "uploaded" -- else it may not have arrived everywhere
end

local function due_why(self, row)
  local left = row.body.ends - mint.now()
  if left <= self.terms.renew_before then return ("the one in use ends in %s"):format(time.span(left)) end
end

-- The one that will do, or why none does.
local function choose(self)
  local newest = newest_of(self)
  if not newest then return nil end
  local pem = newest.body.adopted and self.adopted_pem or rows:value(self.run.journal, newest)
  local key = pem and crypto.certificate(pem)
  if not key then return "the journal does not hold the key of the one in use" end
  local why = due_why(self, newest)
  if why then return why end
  if is_gone(self, newest, key) then return "the one in use was removed from the application by somebody" end
  self.row, self.pem, self.key = newest, pem, key
end

---------------------------------------------------------------------------
-- Making one

local function until_when(self, ends)
  return upkeep.until_when(ends, self.terms.renew_before)
end

local function lifetime_of(terms)
  local lifetime = terms.policy:key_lifetime(terms.lifetime)
  upkeep.must_last(KIND, { lifetime = lifetime, renew_before = terms.renew_before })
  return lifetime
end

-- Sealed and on record before anybody hears of it.
local function make(self, lifetime)
  local now, application, journal = math.floor(mint.now()), self.application, self.run.journal
  mint.check_clock "make a certificate"
  self.pem = crypto.self_signed(self.terms.name:sub(1, 64), now - SKEW, math.floor(now + lifetime))
  self.key = assert(crypto.certificate(self.pem))
  local about = self.key:describe()
  self.row = rows:new(journal, {
    application = application.id, app_id = application.appId, name = self.terms.name, workflow = self.run.id,
    key_id = crypto.uuid(), sha256 = sha256_of(about), ends = about.not_after, made_at = now,
  })
  rows:seal(journal, self.row, self.pem)
  rows:put(journal, self.row, "made")
end

local function upload(self)
  listed.add(self.application, self.row, self.key:describe().der)
  rows:put(self.run.journal, self.row, "uploaded")
end

local function make_now(self, why)
  local run, lifetime = self.run, lifetime_of(self.terms)
  run:change {
    kind = KIND, name = self.terms.name,
    made = until_when(self, mint.now() + lifetime) .. (why and " (" .. why .. ")" or ""),
    act = function()
      make(self, lifetime)
      upload(self)
    end,
  }
  if not run:acting() then self.row, self.pem = nil, resource.unknown end
end

local function go_on(self)
  self.run:change {
    kind = KIND, name = self.terms.name, made = until_when(self, self.row.body.ends),
    act = function() upload(self) end,
  }
end

local function tell_foreign(self)
  for _, entry in ipairs(self.listed) do
    local known = false
    for _, row in ipairs(self.rows) do known = known or listed.find({ entry }, row) ~= nil end
    if not known then
      self.run:leave(KIND, type(entry.displayName) == "string" and entry.displayName or entry.keyId,
        "not made by this journal")
    end
  end
end

local undo -- with `destroy`, below

local function have_one(self)
  self.run:lease("application/" .. self.application.appId, ("work on the certificate of '%s'"):format(self.terms.name))
  look(self)
  if self.run.mode == "destroy" then return undo(self) end
  open_file(self)
  local why = choose(self)
  tell_foreign(self)
  if not self.row then return make_now(self, why) end
  if self.row.state == "made" then return go_on(self) end
  self.run:found(KIND, self.row.body.marker, until_when(self, self.row.body.ends))
end

---@class certificate.fields
---@field application table
---@field name string
---@field policy entra.credential_policy
---@field lifetime number? seconds; by default what the policy gives
---@field renew_before number
---@field grace number
---@field path string of its file

--- The application's certificate: the one in use, or a new one when there is none, it
--- ends soon, or it was removed by somebody. Goes as far as "uploaded".
---@param run workflow.Run
---@param fields certificate.fields
---@return certificate.Certificate
function M.ensure(run, fields)
  local self = setmetatable({
    run = run, application = fields.application, file = keyfile.at(fields.path), rows = {}, listed = {}, terms = fields,
  }, Certificate)
  if resource.known(self.application) then have_one(self)
  elseif run.mode ~= "destroy" then
    open_file(self)
    make_now(self)
  end
  return self
end

---------------------------------------------------------------------------
-- Proving

local PROMISE = "the new certificate will be proven by three sign-ins on fresh connections, over ten seconds or more"

-- A permission that was just granted takes a while to be in a token.
local function missing_after_a_while(self, claims, roles)
  local missing = prove.missing_roles(claims, roles)
  if #missing == 0 or not self.run:acting() then return missing end
  return prove.run(self.application.appId, self.key, roles).missing
end

-- Once more, for one that was proven before.
local function check(self, roles)
  local accepted, more = prove.once(self.application.appId, self.key)
  if not accepted then
    prove.raise_if_passing(self.application.appId, more)
    return prove.await_look(self.run, "find out why the certificate in use is refused", tostring(more.message))
  end
  local missing = missing_after_a_while(self, more, roles)
  if #missing > 0 and self.run:has_plans() then
    return self.run:note("a token does not carry %s yet", table.concat(missing, ", "))
  elseif #missing > 0 then
    local what = "find out why a token lacks " .. table.concat(missing, ", ")
    return prove.await_look(self.run, what, "It is not in force.")
  end
  self.run:found("proof", self.row.body.marker, prove.describe("signs in", roles))
end

--- Show that it works: three sign-ins, and the roles a token must carry. One sign-in
--- for what was proven before.
---@param roles string[]
function Certificate:prove(roles)
  local run = self.run
  if run.mode == "destroy" then return end
  if not self.row or self.row.state == "made" then return run:note(PROMISE) end
  if self.row.state ~= "uploaded" or not run:acting() then return check(self, roles) end
  local proof = prove.run(self.application.appId, self.key, roles)
  if not proof.proven then prove.raise_not_proven(KIND, self.terms.name, proof) end
  rows:put(run.journal, self.row, "proven", { proven_at = mint.now() })
  if #proof.missing > 0 then prove.raise_missing(proof.missing) end
  run:found("proof", self.row.body.marker, prove.describe("three sign-ins on fresh connections", roles))
end

---------------------------------------------------------------------------
-- Using it, and letting go of what it replaces

-- From now on runs on this machine sign in with it: those before it get their date.
local function note_in_use(self)
  local journal, row = self.run.journal, self.row
  if row.state == "in_use" and row.body.where == self.file.name then return end
  rows:stage(journal, row, "in_use", { where = self.file.name })
  rows:supersede(journal, self.rows, row, mint.now() + self.terms.grace)
  rows:put(journal, row, "in_use")
end

local function retire(self, row, why)
  self.run:change {
    kind = KIND, name = row.body.marker, action = "delete", made = why,
    act = function()
      mint.check_clock "retire a certificate"
      listed.remove(self.application, row, self.row)
      rows:close(self.run.journal, row, why)
    end,
  }
end

local function overdue_of(self)
  local overdue = {}
  for _, row in ipairs(self.rows) do
    if row.state == "retiring" and row.body.retire_at > mint.now() then
      self.run:note("%s was replaced and is retired on %s", row.body.marker, time.day(row.body.retire_at))
    elseif row.state == "retiring" then
      overdue[#overdue + 1] = row
    end
  end
  return overdue
end

-- The new one signs in once more just before another goes.
local function let_go(self)
  local overdue = overdue_of(self)
  if #overdue == 0 then return end
  if self.run:acting() then
    local accepted, failure = prove.once(self.application.appId, self.key)
    if not accepted then
      prove.raise_if_passing(self.application.appId, failure)
      return self.run:warn("the certificate in use was not accepted just now (%s), so no other is removed",
        tostring(failure.message))
    end
  end
  for _, row in ipairs(overdue) do
    retire(self, row, ("replaced, and its grace ended on %s"):format(time.day(row.body.retire_at)))
  end
end

-- A running service reads its file anew at its next sign-in; a copy it does not know of.
local function tell_services(self)
  for _, row in ipairs(self.rows) do
    if row.state == "retiring" then
      return self.run:note("a service that got the key by LoadCredential= keeps the old one: restart it before %s",
        time.day(row.body.retire_at))
    end
  end
end

--- Write it to its file, once it is proven; then let go of what it replaced, by date.
function Certificate:place()
  local run = self.run
  if run.mode == "destroy" then return end
  self.file:hold(self.pem)
  run:ensure(self.file)
  if run:acting() then note_in_use(self) end
  tell_services(self)
  if self.row then let_go(self) end
end

---------------------------------------------------------------------------
-- With `destroy`

local function take_away(self, row)
  local journal = self.run.journal
  if self.application.ours then return rows:go_with_application(journal, row, mint.now()) end
  listed.remove(self.application, row)
  rows:close(journal, row, "destroyed")
end

local function whose(self, row)
  if self.application.ours then return true, "goes with the application" end
  if row.body.adopted then return false, "it was adopted with what its file held" end
  return true, "the journal says it was made here"
end

local function undo_file(self)
  local pem, key = self.file:open(function() return true end)
  local row = pem and row_of(self, key:describe())
  if not row then return end
  self.file.ours = function() return whose(self, row) end
  self.run:undoing(self.file, pem)
end

function undo(self)
  for _, row in ipairs(self.rows) do
    if row.state ~= "closed" then
      self.run:undoing({
        kind = KIND, name = row.body.marker, gone = false,
        ours = function() return whose(self, row) end,
        delete = function() take_away(self, row) end,
      }, row)
    end
  end
  undo_file(self)
end

return M
