--- One point: a cloud of its own, a job that comes to grief at its nth request,
--- the same command again, and what is there then.

local cloud = require "crash.cloud"
local judge = require "crash.judge"
local json = require "host.json"
local program = require "crash.program"
local sight = require "crash.sight"
local sys = require "host.sys"

local M = {}

local MOST_RUNS = 3 -- after the blow; more than one only when the program asks for it
local LONGEST = 120 -- seconds a run may take

---@class crash.point
---@field cloud crash.cloud
---@field act crash.act
---@field blow crash.blow
---@field runs integer
---@field client string? id of an application that was there before
---@field first string? marker of the secret in use before the last one
---@field before table what there was right after the blow
---@field report table? what the last run said of itself
---@field complaints string[]
local Point = { __name = "point" }
Point.__index = Point

--- Something is not as it should be.
---@param text string
function Point:complain(text, ...)
  if select("#", ...) > 0 then text = text:format(...) end
  table.insert(self.complaints, text)
end

--- Is this blow dealt only at requests that can change something?
---@param act crash.act
---@param blow crash.blow
---@return boolean
function M.is_changing(act, blow) return act.changing or blow.changing or false end

---------------------------------------------------------------------------
-- The program

-- Below another program, if one is given.
local function start(self, words, below)
  self.runs = self.runs + 1
  local line = { os.getenv "MOONLATCH", "--config", self.cloud.ready.config, table.unpack(words) }
  if self.client and words[1] ~= "journal" then table.move({ "--client-id", self.client }, 1, 2, #line + 1, line) end
  if below then table.move(line, 1, #line, #below + 1, below) end
  return program.start(("%s/run-%d"):format(self.cloud.home, self.runs), below or line)
end

--- Run it to its end.
---@param words string[]
---@return crash.program.outcome
function Point:run(words)
  return start(self, words):finish(LONGEST)
end

--- Run it, and insist on its exit status.
---@param status integer
---@param words string[]
---@return crash.program.outcome
function Point:must(status, words)
  local outcome = self:run(words)
  if outcome.status == status then return outcome end
  error(("%s: exit status %s instead of %d\n%s%s"):format(
    table.concat(words, " "), tostring(outcome.status), status, outcome.out, outcome.err), 2)
end

--- Our application as it is now.
---@return table
function Point:application()
  for _, application in ipairs(self.cloud:graph("/applications?$top=999").value) do
    if application.displayName == sight.NAME then return application end
  end
  error("there is no application of ours", 2)
end

--- From now on an application that was there before is used.
function Point:adopt() self.client = sight.legacy(self) end

--- From now on nobody has said that the provider reads the entry itself.
function Point:unlink()
  local config = self.cloud.ready.config
  local text, count = program.read(config):gsub("linked = true", "linked = false")
  assert(count == 1)
  assert(sys.write(config, text, "replace"))
end

--- Note which secret is in use before the one that is made next.
function Point:note_first() self.first = judge.remember(self).marker end

--- Say that the secret that waits was pasted.
function Point:confirm() self:must(0, { "handover", "--confirm" }) end

---------------------------------------------------------------------------
-- The state folder

local function copy(from, to)
  assert(os.execute(("rm -rf '%s' && cp -a '%s' '%s'"):format(to, from, to)))
end

--- Put a copy of the state aside.
function Point:save_state()
  copy(self.cloud.folder .. "/state", self.cloud.home .. "/backup")
end

local function lose_state(self)
  local folder = self.cloud.folder .. "/state"
  if self.blow.state == "deleted" then assert(sys.remove_tree(folder)) end
  if self.blow.state == "restored" then copy(self.cloud.home .. "/backup", folder) end
end

---------------------------------------------------------------------------
-- The blow

-- Did it end as it should? What it said of itself.
local function is_done(self, outcome)
  local report = json.decode(outcome.out)
  if not report or report.error or report.failure then return false end
  local waits = #report.waiting > 0
  if outcome.status ~= (waits and 1 or 0) or waits and not (self.act.by_hand or self.act.leaves) then return false end
  return waits or not self.act.by_hand, report
end

-- Give the journal's files only so much room. What was too little, and what came of the run.
local function squeeze(self, place)
  local room = place * self.blow.room
  local run <close> = start(self, self.act.words, { "/usr/bin/prlimit", "--fsize=" .. room })
  local outcome = run:finish(LONGEST)
  return not is_done(self, outcome) and ("%d KiB"):format(room // 1024), outcome
end

-- The request that met it, if one did, and what came of the run.
local function strike(self, place)
  if self.blow.room then return squeeze(self, place) end
  local method, signal = M.is_changing(self.act, self.blow) and "!GET" or "*", self.blow.signal
  for _, rule in ipairs(self.blow.rules) do self.cloud:fault(rule:format(method, place)) end
  local run <close> = start(self, self.act.words)
  return run:meet(self.cloud, signal, LONGEST)
end

local function wants_again(outcome)
  local text = outcome.out .. outcome.err
  for _, what in ipairs { "the same command", "the command", "it" } do
    if text:find("[Rr]un " .. what .. " again") then return true end
  end
  return false
end

-- Once more, and as often as it says itself, within reason.
local function go_on(self, outcome)
  local done, report = is_done(self, outcome)
  while not done and self.again < MOST_RUNS do
    if self.again > 0 and not wants_again(outcome) then break end
    self.again = self.again + 1
    if (outcome.out .. outcome.err):find("again in five minutes", 1, true) then self.cloud:pass "5m" end
    outcome = self:run(self.act.words)
    done, report = is_done(self, outcome)
  end
  self.report = report
  if done then return end
  self:complain("after %d more runs: exit status %s\n%s", self.again, tostring(outcome.status), outcome.err)
end

local function play(self, place)
  local foreign = sight.furnish(self)
  self.act.prepare(self)
  local struck, outcome = strike(self, place)
  if not struck then return false end
  self.request = struck
  self.before = judge.remember(self)
  if self.blow.signal ~= "KILL" and not is_done(self, outcome) and not wants_again(outcome) then
    self:complain("it does not say that it can be run again\n%s", outcome.err)
  end
  lose_state(self)
  go_on(self, outcome)
  judge.look(self, foreign)
  return true
end

---@class crash.outcome
---@field met boolean did the job get as far as that request?
---@field request string? which one it was
---@field complaints string[] none: all is as it should be
---@field again integer runs it took after the blow
---@field listed integer credentials a person was told of at once
---@field later integer and at the next look, because Entra hid them

--- Play one point.
---@param act crash.act
---@param blow crash.blow
---@param place integer which request
---@param seed integer
---@return crash.outcome
function M.play(act, blow, place, seed)
  local there <close> = cloud.start(seed)
  local self = setmetatable({
    cloud = there, act = act, blow = blow, runs = 0, complaints = {}, again = 0, listed = 0, later = 0,
  }, Point)
  local ok, met = xpcall(play, debug.traceback, self, place)
  if not ok then self:complain("%s", met) end
  return { met = not ok or met, request = self.request, complaints = self.complaints, again = self.again,
    listed = self.listed, later = self.later }
end

--- How many requests an act makes when nothing goes wrong, and how many of them can change something.
---@param act crash.act
---@param seed integer
---@return { all: integer, changing: integer }
function M.count(act, seed)
  local there <close> = cloud.start(seed)
  local self = setmetatable({ cloud = there, act = act, runs = 0, complaints = {} }, Point)
  act.prepare(self)
  local before = #there:requests()
  self:must((act.by_hand or act.leaves) and 1 or 0, act.words)
  local count = { all = 0, changing = 0 }
  for i, request in ipairs(there:requests()) do
    if i > before then
      count.all = count.all + 1
      if request.method ~= "GET" then count.changing = count.changing + 1 end
    end
  end
  return count
end

return M
