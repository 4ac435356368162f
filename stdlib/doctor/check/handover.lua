--- What a person has to do in Devolutions, as far as the journal knows: is every item ticked, and does Devolutions have
--- the newest client secret? None of this can be observed from here.

local graph_clock = require "graph.clock"
local in_use = require "journal.in_use"
local layout = require "terminal.layout"
local states = require "handover.state"
local summary = require "handover.summary"
local time = require "time"

local STAGES = { ["to give"] = "waits to be given to somebody", given = "was given to somebody" }

local function end_of(waiting)
  if not waiting.ends then return "whose end is not known" end
  return "which expires in " .. time.span(waiting.ends - graph_clock.now())
end

local function tell_waiting(record, look, state)
  local waiting, use = state.secret.waiting, look:want "use"
  if not waiting or use.linked then return end
  local has = use.has and ("; %s still has %s"):format(use.who, in_use.short_key_id(use.has)) or ""
  record:warning {
    evidence = ("the client secret %s, %s, %s, and nobody said that it is in use%s"):format(waiting.short,
      end_of(waiting), STAGES[state.secret.state], has),
    cause = "Until somebody confirms that it is in use, the one before is never retired.",
    fix = "moonlatch handover shows the form. When it is pasted and Test connection succeeded: moonlatch handover "
      .. "--confirm",
  }
end

local function next_of(state)
  for _, item in ipairs(state.items) do
    if item.key == state.next then return item end
  end
end

local function tell_items(record, state)
  local item = next_of(state)
  if not item or item.key == "provider" then return end
  record:warning {
    evidence = ("%s open in %s; the next is %s: %s"):format(layout.count(state.open, "item"), summary.consumer(state),
      item.key, item.what),
    cause = "Nobody ticked it, and it cannot be looked at from here.",
    fix = ("%s. moonlatch handover lists all of it; --done %s ticks this."):format(item.where, item.key),
  }
end

---@type doctor.check
return {
  name = "hand-over",
  run = function(record, look)
    local row = look:want("terms").handover
    local journal = look:want "journal"
    if not row or not journal then return end
    local state = states.of(journal, row, graph_clock.now())
    if state.complete then
      return record:ok("a person ticked all that is to be done in %s; it cannot be looked at from here",
        summary.consumer(state))
    end
    tell_waiting(record, look, state)
    tell_items(record, state)
  end,
}
