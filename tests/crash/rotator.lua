--- The rotator's setup, killed or left without an answer at a request, and run again:
--- one application, one certificate of ours in force, which is the one in its file; what
--- others put there untouched. One emulator for all points, an application a point.

local certificates = require "certificates"
local cloud = require "crash.cloud"
local crypto = require "host.crypto"
local json = require "host.json"
local program = require "crash.program"
local scene = require "crash.scene"
local scheduler = require "task.scheduler"
local sys = require "host.sys"

local M = {}

local JOB = "setup/rotator"
local ROLE = "Privileged Authentication Administrator" -- what its policy takes
local LONGEST = 120 -- seconds a run may take
local MOST_RUNS = 3 -- after the blow

local BLOWS = { "killed before it is applied", "killed before its answer", "answer lost" } -- of crash.scene

---@class crash.rotator.point
---@field cloud crash.cloud
---@field name string of the application
---@field complaints string[]
local Point = {}
Point.__index = Point

function Point:complain(text, ...) table.insert(self.complaints, text:format(...)) end

local function start(self, words)
  local line = { os.getenv "MOONLATCH", "--config", self.cloud.ready.config, table.unpack(words) }
  self.cloud.runs = (self.cloud.runs or 0) + 1
  return program.start(("%s/run-%d"):format(self.cloud.home, self.cloud.runs), line)
end

local function job(self, command)
  return { command, JOB, "--yes", "--json", "--name", self.name, "--key-file", self.file, "--policies",
    "policies/tier0-users" }
end

local function must(self, status, words)
  local outcome = start(self, words):finish(LONGEST)
  if outcome.status == status then return outcome end
  error(("%s: exit status %s\n%s%s"):format(table.concat(words, " "), tostring(outcome.status), outcome.out,
    outcome.err))
end

local function application(self)
  for _, app in ipairs(self.cloud:graph("/applications?$top=999&$select=id,appId,displayName,keyCredentials").value) do
    if app.displayName == self.name then return app end
  end
end

---------------------------------------------------------------------------
-- Acts

-- Somebody adds a certificate in the portal.
local function add_foreign(self)
  local app = application(self)
  local made = certificates.made_by_hand()
  self.foreign = made.key
  table.insert(app.keyCredentials, made)
  self.cloud:control("/tenant", { ["do"] = "change", with = { app.id, { keyCredentials = app.keyCredentials } } })
end

local function made(self)
  must(self, 0, job(self, "apply"))
  add_foreign(self)
end

---@class crash.rotator.act
---@field name string
---@field command string
---@field places integer requests that can change something, and some more
---@field ours integer certificates of ours in the end
---@field prepare fun(point: crash.rotator.point)

---@type crash.rotator.act[]
local ACTS = {
  { name = "making", command = "apply", places = 47, ours = 1, prepare = function() end },
  {
    name = "renewal", command = "apply", places = 11, ours = 2, prepare = function(self)
      made(self)
      self.cloud:pass "340d"
    end,
  },
  {
    name = "retirement", command = "apply", places = 9, ours = 1, prepare = function(self)
      made(self)
      self.cloud:pass "340d"
      must(self, 0, job(self, "apply"))
      self.cloud:pass "8d"
    end,
  },
  { name = "destroying", command = "destroy", places = 17, ours = 0, prepare = made },
}

---------------------------------------------------------------------------
-- What is there in the end

local function sha1_of_file(self)
  local pem = sys.read_secret(self.file, "person", "whole")
  local key = pem and crypto.certificate(pem)
  return key and crypto.hex(key:describe().sha1):upper()
end

local function judge_certificates(self, act, app)
  local ours, foreign, in_file = 0, 0, false
  local wanted = sha1_of_file(self)
  for _, entry in ipairs(app.keyCredentials) do
    if entry.key == self.foreign then foreign = foreign + 1 else ours = ours + 1 end
    in_file = in_file or entry.customKeyIdentifier == wanted
  end
  if ours ~= act.ours then self:complain("%d certificates of ours instead of %d", ours, act.ours) end
  if foreign ~= (self.foreign and 1 or 0) then self:complain "the certificate made by hand is gone" end
  if not in_file then self:complain "LOST: what lies in the file is not on the application" end
end

local function owners(self, id)
  local count = 0
  local provider = self.cloud:graph("/applications?$filter=displayName%20eq%20'Devolutions%20PAM'").value[1]
  for _, owner in ipairs(self.cloud:graph(("/applications/%s/owners?$top=999"):format(provider.id)).value) do
    if owner.id == id then count = count + 1 end
  end
  return count
end

local function judge_principal(self, app)
  local found = self.cloud:graph(("/servicePrincipals?$filter=appId%%20eq%%20'%s'"):format(app.appId)).value
  if #found ~= 1 then return self:complain("%d service principals", #found) end
  local grants, roles = table.unpack(self.cloud:graph_all {
    ("/servicePrincipals/%s/appRoleAssignments"):format(found[1].id),
    ("/roleManagement/directory/roleAssignments?$filter=principalId%%20eq%%20'%s'"):format(found[1].id),
  })
  if #grants.value ~= 8 then self:complain("%d grants", #grants.value) end
  if #roles.value ~= 1 then self:complain("%d role assignments", #roles.value) end
  if owners(self, found[1].id) ~= 1 then self:complain "it does not own the provider's application once" end
end

local function judge(self, act)
  self.cloud:pass "1h"
  local app = application(self)
  if act.command == "destroy" then
    if app then self:complain "the application is there" end
    if sys.stat(self.file) then self:complain "the key file is there" end
    return
  end
  if not app then return self:complain "there is no application" end
  judge_certificates(self, act, app)
  judge_principal(self, app)
  local words = job(self, "verify")
  table.remove(words, 3) -- --yes
  local outcome = start(self, words):finish(LONGEST)
  if outcome.status ~= 0 then self:complain("verify ends with %s\n%s", tostring(outcome.status), outcome.out) end
end

---------------------------------------------------------------------------
-- The blow

local function strike(self, words, blow, place)
  -- Only at what can change something: the rest is asked again.
  for _, rule in ipairs(blow.rules) do self.cloud:fault(rule:format("!GET", place)) end
  local run <close> = start(self, words)
  return run:meet(self.cloud, blow.signal, LONGEST)
end

local function go_on(self, words, outcome)
  local runs = 0
  while outcome.status ~= 0 and runs < MOST_RUNS do
    runs = runs + 1
    outcome = start(self, words):finish(LONGEST)
  end
  if outcome.status == 0 then return end
  self:complain("after %d more runs: exit status %s\n%s%s", runs, tostring(outcome.status), outcome.out, outcome.err)
end

local count = 0

local function new_point(there)
  count = count + 1
  local name = ("Rotator %d"):format(count)
  return setmetatable({ cloud = there, name = name, file = ("%s/%d.pem"):format(there.home, count), complaints = {} },
    Point)
end

-- What came of one point; nil when the job makes fewer requests.
local function play(there, act, blow, place)
  local self = new_point(there)
  act.prepare(self)
  local words = job(self, act.command)
  local struck, outcome = strike(self, words, blow, place)
  if not struck then return nil end
  go_on(self, words, outcome)
  judge(self, act)
  return { request = struck, complaints = self.complaints }
end

---@class crash.rotator.result
---@field text string which point, and what is wrong with it; only the first when nothing is
---@field fine boolean

-- Every point of an act with a blow, by the stride; the number goes on from act to act.
local function play_act(there, options, act, results, number)
  for _, name in ipairs(BLOWS) do
    local blow = scene.blow(name)
    for place = 1, act.places do
      number = number + 1
      local found = number % options.stride == 0 and play(there, act, blow, place)
      if found then
        local text = ("%s, %s, request %d (%s)"):format(act.name, blow.name, place, found.request)
        results[#results + 1] = {
          text = text .. ": " .. table.concat(found.complaints, "\n"), fine = #found.complaints == 0,
        }
        if options.tell then options.tell(results[#results].text) end
      end
    end
  end
  return number
end

--- Play the points.
---@param options { stride: integer, seed: integer, tell: nil|fun(text: string) }
---@return crash.rotator.result[]
function M.run(options)
  return scheduler.run(program.poll, function()
    local there <close> = cloud.start(options.seed)
    must({ cloud = there }, 0, { "apply", "setup/entra-pam-provider", "--yes", "--json" })
    there:control("/tenant", { ["do"] = "set_flag", with = json.array { "pim_only", json.array { ROLE } } })
    local results, number = {}, 0
    for _, act in ipairs(ACTS) do number = play_act(there, options, act, results, number) end
    assert(json.decode(must({ cloud = there }, 0, { "journal", "verify", "--json" }).out))
    return results
  end)
end

return M
