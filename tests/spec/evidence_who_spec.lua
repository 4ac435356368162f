--- Who changed it, in words: from the store, from the log, or not known and why.

local audits = require "evidence.audits"
local fail = require "fail"
local graph_clock = require "graph.clock"
local journals = require "journals"
local scheduler = require "task.scheduler"
local store = require "evidence.store"
local sys = require "host.sys"
local task = require "task"
local time = require "time"
local who = require "evidence.who"

local ANNA = "anna-object-id"
local HOUR, DAY = 3600, 86400

describe("who changed it", function()
  local now, log, asked_for, read, clock

  before_each(function()
    now, log, asked_for = math.floor(time.now()), {}, {}
    read, clock = audits.read, graph_clock.now
    graph_clock.now = function() return now end
    audits.read = function(asked)
      asked_for[#asked_for + 1] = asked
      local at = 0
      return function()
        at = at + 1
        return log[at]
      end
    end
  end)

  after_each(function() audits.read, graph_clock.now = read, clock end)

  local function change(at, by, more)
    local found = { id = "c" .. #log, at = at, name = "Reset user password ", kind = "reset", result = "success",
      by = by, targets = { { object_id = ANNA, type = "User" } }, added = {}, removed = {} }
    for name, value in pairs(more or {}) do found[name] = value end
    log[#log + 1] = found
    return found
  end

  local function explain(asked, journal)
    asked.object_id = ANNA
    return scheduler.run(function(ms) sys.sleep(ms) return 0 end, who.explain, journal, asked)
  end

  local PAM = { kind = "application", object_id = "sp1", name = "Devolutions PAM" }
  local BEA = { kind = "person", object_id = "u1", name = "Bea", user_name = "bea@contoso.com",
    address = "203.0.113.9" }

  it("is told with the moment, the address and what the tenant calls it, by one request about that time", function()
    change(now - HOUR + 50, BEA)
    local found = explain { at = now - HOUR, kinds = { "reset" } }
    assert.same({ true, "bea@contoso.com did it from 203.0.113.9, " .. time.iso(now - HOUR + 50)
      .. " (Reset user password)" }, { found.known, found.text })
    assert.same({ { target = ANNA, from = now - HOUR - 120, to = now - HOUR + 121 } }, asked_for)
  end)

  it("names an application by its name, and one or somebody without a name as such", function()
    assert.equal("the application 'Devolutions PAM'", who.actor(PAM))
    assert.equal("the application with the service principal sp1",
      who.actor { kind = "application", object_id = "sp1" })
    assert.equal("the person with the object id u1", who.actor { kind = "person", object_id = "u1" })
    assert.equal("somebody whom the log does not name", who.actor { kind = "unknown" })
  end)

  it("is each of two within the same minutes, the nearest first, and each once", function()
    change(now - HOUR - 60, BEA)
    change(now - HOUR + 1, PAM)
    change(now - HOUR + 2, PAM, { name = "Update user" })
    local found = explain { at = now - HOUR }
    assert.equal(("the application 'Devolutions PAM' did it, %s (Reset user password); and bea@contoso.com did it "
      .. "from 203.0.113.9, %s (Reset user password)"):format(time.iso(now - HOUR + 1), time.iso(now - HOUR - 60)),
      found.text)
    assert.equal(2, #found.changes)
  end)

  it("is not who was refused, who changed something else or at another time, or who is not meant", function()
    change(now - HOUR, BEA, { result = "failure" })
    change(now - HOUR, BEA, { kind = "other" })
    change(now - HOUR - 121, BEA)
    change(now - HOUR, PAM)
    local found = explain { at = now - HOUR, kinds = { "reset" }, except = "SP1" }
    assert.same({ false, "who did it is not known: the log has no such change at that time" },
      { found.known, found.text })
  end)

  it("without a moment is the newest change", function()
    change(now - 3 * DAY, PAM)
    change(now - DAY, BEA)
    local found = explain { kinds = { "reset" } }
    assert.truthy(found.text:find("^bea@contoso.com did it from 203.0.113.9, "))
    assert.equal(1, #found.changes)
    assert.equal(now - 30 * DAY, asked_for[1].from)
    log = {}
    assert.equal("who did it is not known: the log of the last days has no such change; it may be older, or of the "
      .. "last minutes", explain({}).text)
  end)

  it("is told of several credentials of one object with one reading of the log", function()
    change(now - 3 * DAY, BEA, { kind = "credentials", name = "Update application", removed = { "k1" } })
    change(now - 2 * DAY, PAM, { kind = "credentials", name = "Update application", added = { "k2" } })
    change(now - DAY, PAM, { kind = "credentials", name = "Update application", removed = { "k3" },
      result = "failure" })
    local explain_all = who.of_object(nil, ANNA)
    local texts = scheduler.run(function(ms) sys.sleep(ms) return 0 end, function()
      return { explain_all({ removed = "K1" }).text, explain_all({ added = "k2" }).text,
        explain_all({ added = "k1" }).known, explain_all({ removed = "k3" }).known }
    end)
    local bea, pam = time.iso(now - 3 * DAY), time.iso(now - 2 * DAY)
    assert.same({ ("bea@contoso.com did it from 203.0.113.9, %s (Update application)"):format(bea),
      ("the application 'Devolutions PAM' did it, %s (Update application)"):format(pam), false, false }, texts)
    assert.equal(1, #asked_for)
  end)

  it("is what the store knows, without a request, also when the log no longer has it", function()
    local place <close> = journals.folder()
    local journal <close> = journals.open(place)
    store.add_changes(journal, ANNA, { change(now - 90 * DAY, PAM) })
    log = {}
    assert.is_true(explain({ at = now - 90 * DAY + 30 }, journal).known)
    local old = explain({ at = now - 80 * DAY }, journal)
    assert.equal("who did it is not known: the log no longer has it, or never had: it keeps 7 days, and 30 with a "
      .. "licence Entra ID P1 or P2", old.text)
    assert.same({}, asked_for)
  end)

  it("is not known yet in the first minutes", function()
    assert.equal("who did it is not known: the log does not show it yet; its records come some minutes late",
      explain({ at = now - 60 }).text)
  end)

  it("is not known where the log cannot be read, with the reason and what would lift it", function()
    audits.read = function() fail.raise { kind = "denied", what = "x", why = "403", status = 403 } end
    local found = explain { at = now - HOUR }
    assert.same({ false, "who did it is not known: the audit log could not be read (not permitted)" },
      { found.known, found.text })
    assert.truthy(found.fix:find("^Grant the permission AuditLog.Read.All"))
    audits.read = function() task.sleep(3600) end
    local within = task.within
    task.within = function(_, ...) return within(0.02, ...) end
    found = explain { at = now - HOUR }
    task.within = within
    assert.truthy(found.text:find("(there was no time to read it)", 1, true))
    audits.read = function() fail.raise { kind = "interrupted", what = "x", why = "y" } end
    assert.is_false(pcall(explain, { at = now - HOUR }))
  end)
end)
