-- takes 450 s: three years, in each of which the setup runs every day
--- A year of the client secret that Devolutions Cloud has, about which no person says anything: a setup that runs each
--- day sees in Entra's logs what is in use, what may be removed, and what has to stay, and says why.
---
--- The consumer gets the first secret after three days, the second one after a test that was not saved, the third one
--- five days after the second one expired, the fourth one in time; and a script that everybody forgot keeps the third.

local job = require "setup_job"

local THERE, SCRIPT = "203.0.113.88", "198.51.100.9"

---@class year
---@field emu rehearsal
---@field today integer
---@field said string what the last run said
---@field made string[] key ids, in the order in which they were made
---@field confirmed integer[] the days on which the log showed that one is in use
---@field gone table<integer, { day: integer, said: string }> what was said on the day when the n-th was removed
local Year = {}
Year.__index = Year

-- The first day, at six in the morning (UTC), so that two sign-ins half a day apart before a run are on two days:
-- Devolutions is prepared, a person signs in once, and the secret is made.
local function begin(flags)
  local year = setmetatable({ emu = job.emulator "cloud", today = 0, made = {}, gone = {},
    confirmed = {} }, Year)
  year.emu:later(("%ds"):format((6 * 3600 - os.time()) % 86400))
  for name, value in pairs(flags) do year.emu:admin("set_flag", name, value) end
  job.prepare(year.emu)
  job.must(year.emu:run { "login", "--for", job.SETUP }, 0)
  year:run()
  return year
end

--- Run the setup, as each day.
function Year:run()
  local outcome = job.apply(self.emu, "--managed", job.MANAGED, "--lifetime", "120d", "--renew-before", "30d",
    "--grace", "1d", "--rhythm", "1d", "--retire-unused")
  self.said = outcome.out .. outcome.err
  assert.equal(1, outcome.status, self.said) -- items of the hand-over stay open all year
  if self.said:find("Entra's log shows that %S+ is in use: signed in with from " .. THERE) then
    table.insert(self.confirmed, self.today)
  end
  local listed, is_there = self:listed(), {}
  if listed[1] and listed[1] ~= self.made[#self.made] then self.made[#self.made + 1] = listed[1] end
  for _, id in ipairs(listed) do is_there[id] = true end
  for n, id in ipairs(self.made) do
    if not is_there[id] and not self.gone[n] then self.gone[n] = { day = self.today, said = self.said } end
  end
end

--- The key ids that Entra lists, the newest first.
---@return string[]
function Year:listed()
  local ids = {}
  for i, one in ipairs(job.truth(self.emu).credentials) do ids[i] = one.keyId end
  return ids
end

--- Let the days go by until this one. On each, people do what `acts` has for it, and the setup runs.
---@param day integer
---@param acts table<integer, fun(year: year)>?
function Year:till(day, acts)
  while self.today < day do
    self.emu:later "1d"
    self.today = self.today + 1
    if acts and acts[self.today] then acts[self.today](self) end
    self:run()
    if self.today % 25 == 0 then self:assert_nobody_lost_access() end
  end
end

--- The year's invariant: nobody tries a secret that was removed.
function Year:assert_nobody_lost_access()
  for _, one in ipairs(self.emu:control("GET", "/sign-ins").sign_ins) do
    assert.are_not.equal(7000215, one.status.errorCode, one.createdDateTime .. " from " .. one.ipAddress)
  end
end

local function assert_has(text, ...)
  for _, part in ipairs { ... } do assert.truthy(text:find(part, 1, true), part .. "\nis not in\n" .. text) end
end

--- Hold the last run against these pieces of text.
function Year:assert_said(...) assert_has(self.said, ...) end

function Year:assert_not_said(part) assert.is_nil(self.said:find(part, 1, true), self.said) end

--- The findings of the doctor that are not ok, as text.
---@return string
function Year:doctor()
  local _, document = self.emu:json { "doctor", "--managed", job.MANAGED }
  local lines = {}
  for _, one in ipairs(document.findings) do
    if one.verdict ~= "ok" then
      lines[#lines + 1] = ("%s: %s: %s | %s | %s"):format(one.check, one.verdict, one.evidence, one.cause, one.fix)
    end
  end
  return table.concat(lines, "\n")
end

---------------------------------------------------------------------------
-- What people do

local function receive(year) year.value = job.receive(year.emu) end

local function paste(year) job.paste(year.emu, year.value) end

-- The consumer begins to work: a managed account each week, and two sign-ins a day.
local function start(year)
  receive(year)
  paste(year)
  assert(job.person(year.emu, "test_connection", job.PROVIDER).ok)
  job.manage(year.emu, "7d")
  job.person(year.emu, "set_flag", "heartbeat", 43200)
end

local function test_without_saving(year)
  receive(year)
  assert(job.person(year.emu, "test_connection", job.PROVIDER, { client_secret = year.value }).ok)
end

local function start_script(year)
  local answer = year.emu:control("POST", "/programs", { ["do"] = "add_program", with = { { name = "script",
    client_id = job.truth(year.emu).application.appId, client_secret = year.value, every = "1d", address = SCRIPT } } })
  assert(answer.result, answer.message)
end

local ACTS = {
  [3] = start,
  [91] = test_without_saving, [93] = paste,
  [181] = receive, [215] = paste, [216] = start_script,
  [273] = function(year)
    receive(year)
    paste(year)
  end,
}

-- The states of the provider's tasks, in their order, each run of equal ones as one: "Completed Failed Completed".
local function outcomes(year)
  local list = {}
  for _, task in ipairs(job.devolutions(year.emu).tasks) do
    if task.status ~= list[#list] then list[#list + 1] = task.status end
  end
  return table.concat(list, " ")
end

local NO_WORD = "because the log, and no person, confirmed the new one"

-- What is the same in every year: the secret that expired before it was replaced is named with who tries it.
local function assert_gap(year)
  year:till(212, ACTS)
  assert.equal(3, #year.made)
  year:assert_said("Devolutions Cloud was given", "which expired", "has waited to be pasted since")
  assert_has(year:doctor(), "evidence: broken: a client secret that has expired is still tried from " .. THERE,
    "AADSTS7000222")
end

describe("a year without a person's word", function()
  local year
  after_each(function() local _ <close> = year and year.emu end)

  it("is enough for Entra's log: what is in use, what is removed, what stays, and why", function()
    year = begin {}
    year:till(3, ACTS)
    year:assert_said("was tried, which does not show that it is in use", THERE)
    year:till(91, ACTS)
    assert.equal(1, #year.confirmed)
    assert.is_true(year.confirmed[1] <= 5, year.confirmed[1])
    assert.equal(2, #year.made)
    year:assert_said("was tried, which does not show that it is in use",
      "testing the connection, before anything is saved, does the same")
    year:till(94, ACTS)
    year:assert_said("where an earlier secret was used")
    year:till(103, ACTS)
    assert.is_true(year.confirmed[2] >= 95 and year.confirmed[2] <= 96, year.confirmed[2]) -- pasted on day 93
    year:assert_said("stays until it expires", NO_WORD, THERE .. " used the old one",
      "silence for 12 days is asked for")
    year:till(110, ACTS)
    assert.equal(105, year.gone[1].day) -- used last on day 93; it would have expired on day 120
    assert.truthy(year.gone[1].said:find("replaced, and Entra's log shows no use any more", 1, true), year.gone[1].said)

    assert_gap(year)
    year:till(217, ACTS)
    year:assert_said("Devolutions Cloud was given", "Entra's log of", "shows sign-ins with it")
    assert.equal(3, #year.confirmed)
    assert.is_nil(year:doctor():find("broken", 1, true))

    year:till(299, ACTS)
    assert.equal(4, #year.made)
    year:assert_said("stays until it expires", SCRIPT .. " used the old one", "was not seen with the new one since")
    assert_has(year:doctor(), "was replaced, and was used from " .. SCRIPT)
    year:till(302, ACTS)
    assert_has(year:doctor(), "evidence: broken: a client secret that has expired is still tried from " .. SCRIPT)

    year:till(365, ACTS)
    assert.is_nil(next(year.gone, 1)) -- the others expired
    assert.equal("Completed Failed Completed", outcomes(year))
    year:assert_nobody_lost_access()
  end)

  it("tells nothing without Entra ID P1: nothing is confirmed or removed, and the doctor says why", function()
    year = begin { p1 = false, premium = false }
    for _, day in ipairs { 4, 95, 130, 217, 302, 365 } do
      year:till(day, ACTS)
      year:assert_not_said("Entra's log shows")
      assert.is_nil(next(year.gone))
      local findings = year:doctor()
      assert_has(findings, "evidence: left out: not looked at: who signs in with the client secret",
        "the tenant has no licence Entra ID P1 or P2", "nobody said that it is in use")
      assert.is_nil(findings:find("broken", 1, true), findings)
    end
    assert.equal("Completed Failed Completed", outcomes(year))
  end)

  it("is judged later, and never wrongly, by a log that is late and lacks rows", function()
    year = begin { report_delay = 2 * 86400, report_lost = 0.2, sign_in_delay = { 3600, 7200 }, sign_ins_lost = 0.05 }
    year:till(103, ACTS)
    year:assert_said("Devolutions Cloud was given", "stays until it expires", NO_WORD)
    assert_gap(year)
    local first = year.gone[1] -- with every row it is removed on day 105; it expires on day 120
    assert.is_true(first == nil or first.day > 105, first and first.day)
    year:till(299, ACTS)
    year:assert_said("stays until it expires", SCRIPT .. " used the old one")
    year:till(302, ACTS)
    assert_has(year:doctor(), "evidence: broken: a client secret that has expired is still tried from " .. SCRIPT)
    year:till(365, ACTS)
    assert.is_nil(next(year.gone, first and 1 or nil))
    assert.equal("Completed Failed Completed", outcomes(year))
    year:assert_nobody_lost_access()
  end)
end)
