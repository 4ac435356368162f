--- What the doctor says of a replaced client secret whose grace is over: why it still stands, by the rules of a run.

local check = require "doctor.check.journal"
local graph_clock = require "graph.clock"
local in_use = require "journal.in_use"

local DAY = 86400
local REMOVE = "No run has removed it yet."

describe("the doctor, of a replaced client secret whose grace is over,", function()
  local now, facts, clock

  before_each(function()
    now = 20000 * DAY
    clock, graph_clock.now = graph_clock.now, function() return now end
    local row = { id = "r1",
      body = { marker = "ml:old", key_id = "old", retire_at = now - DAY, ends = now + 90 * DAY } }
    facts = {
      journal = { verify = function() return 5 end }, view = { lost = {}, overdue = { row } },
      use = { has = { body = { key_id = "new", confirmed_by = in_use.BY_LOG } } }, used_proof = { accepted = true },
      unseen = { for_people = true, why_people = "it has redirect URIs", other_tenants = false },
      logs = { uses = {}, coverage = { spans = {}, holes = {}, own = {} }, rhythm = DAY,
        earlier = function() return { "old" } end },
    }
  end)

  after_each(function() graph_clock.now = clock end)

  -- The finding about the replaced one; nil when there is none.
  local function finding()
    local found
    local record = setmetatable({}, { __index = function(_, verdict)
      return function(_, fields)
        if type(fields) == "table" then
          fields.verdict = verdict
          found = fields
        end
      end
    end })
    check.run(record, { want = function(_, name) return facts[name] end, profile = {}, setup = "apply" })
    return found
  end

  local function used(age, key_id)
    facts.logs.uses[1] = { key_id = key_id or "old", address = "203.0.113.88", ours = false, first = now - age,
      last = now - age, first_success = now - age, last_success = now - age, success_days = 1, count = 1 }
  end

  it("lists each condition for its removal, and what is missing", function()
    used(3 * DAY)
    local found = finding()
    assert.same({ "left_out", 10 }, { found.verdict, #found.conditions })
    local holds = {}
    for _, one in ipairs(found.conditions) do holds[one.name] = one.holds end
    assert.same({ rhythm = true, ["in use"] = false, addresses = false, silence = false, covered = false,
      ["own sign-ins"] = false, people = false, tenants = true, grace = true, proven = true }, holds)
    assert.truthy(found.evidence:find("it was last used from 203.0.113.88, 3 days ago", 1, true), found.evidence)
    for _, part in ipairs { "Missing for its removal: ", "silence for 12 days is asked for", "the log was never read",
      "signs in on behalf of people (it has redirect URIs)" } do
      assert.truthy(found.cause:find(part, 1, true), found.cause)
    end
    assert.is_nil(found.cause:find("its grace", 1, true))
  end)

  it("says that its use is unknown where the log cannot be read, and not that a run forgot it", function()
    facts.logs = false
    local found = finding()
    assert.same({ "left_out" }, { found.verdict, found.cause })
    assert.truthy(found.evidence:find("whether it is used is unknown", 1, true), found.evidence)
  end)

  it("says nothing of one that a use within two rhythms keeps, though a person confirmed the new one", function()
    facts.use.has.body.confirmed_by = "a person"
    used(10 * DAY)
    assert.equal(REMOVE, finding().cause)
    facts.logs.rhythm = 30 * DAY
    assert.is_nil(finding())
    facts.logs = false -- nothing holds it back as far as a run would know
    assert.equal(REMOVE, finding().cause)
  end)
end)
