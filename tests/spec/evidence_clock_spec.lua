--- What the sign-in log tells, where this machine's clock is wrong, or the log was not read for a while.

local check = require "doctor.check.evidence"
local graph_clock = require "graph.clock"
local journals = require "journals"
local store = require "evidence.store"
local time = require "time"
local use_in_log = require "rotation.use_in_log"

local DAY, HOUR = 86400, 3600
local APP = "0b1c1e2a-0000-4000-8000-00000000000a"

describe("with a wrong clock", function()
  local clock = graph_clock.now
  after_each(function() graph_clock.now = clock end)

  local function entra_is_ahead(seconds)
    local now = time.now() + seconds
    graph_clock.now = function() return now end
    return now
  end

  it("the log is as old as by Entra's clock: a machine that is behind does not take it for just read", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local now = entra_is_ahead(DAY)
    store.change_application(j, APP, function(record)
      record.spans = { { from = now - 9 * DAY, to = now - 3 * HOUR } }
    end)
    assert.equal(3 * HOUR, (store.age(j, "sign_ins", APP)))
  end)

  it("the doctor tells of a replaced secret that was used two days ago, by Entra's clock", function()
    local now = entra_is_ahead(-9 * DAY)
    local said = {}
    local findings = setmetatable({}, { __index = function(_, verdict)
      return function(_, finding) said[#said + 1] = { verdict, finding.evidence } end
    end })
    local old = { id = "r", body = { key_id = "k-old" } }
    local facts = { application = {}, use = { retiring = { old } }, logs = {
      gaps = {}, coverage = { spans = { { from = 0, to = now } } }, uses = {
        { key_id = "k-old", address = "203.0.113.88", ours = false, first = 0, last = now - 2 * DAY,
          last_success = now - 2 * DAY, first_success = 0, success_days = 9 },
      },
    } }
    check.run(findings, { want = function(_, name) return facts[name] end })
    assert.equal("warning", said[1] and said[1][1])
    assert.matches("was replaced, and was used from 203.0.113.88, 2 days ago", said[1][2])
  end)
end)

describe("the use of a secret", function()
  local real = { uses = store.uses, coverage = store.coverage, age = store.age }
  after_each(function() store.uses, store.coverage, store.age = real.uses, real.coverage, real.age end)

  local function rotation(uses, coverage)
    store.uses, store.coverage = function() return uses end, function() return coverage end
    store.age = function() return 0 end
    return { run = { journal = {} }, application = { appId = APP } }
  end

  it("is not said to be absent from a log that was not read for a while", function()
    local row, now = { id = "r", body = { key_id = "k" } }, graph_clock.now()
    local coverage = { spans = { { from = now - 90 * DAY, to = now } }, holes = {}, own = {} }
    assert.equal(("the log, known since %s, shows no use of it"):format(time.day(now - 90 * DAY)),
      use_in_log.last_use_text(rotation({}, coverage), row))
    coverage.holes[1] = { from = now - 50 * DAY, to = now - 20 * DAY, why = "the log was not looked at for 30 days" }
    assert.equal(("the log, known since %s, shows no use of it, but has a hole on %s: the log was not looked at for 30 "
      .. "days"):format(time.day(now - 90 * DAY), time.day(now - 50 * DAY)),
      use_in_log.last_use_text(rotation({}, coverage), row))
  end)
end)
