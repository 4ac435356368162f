--- Is every required item of the hand-over done, and was the newest client secret confirmed? The journal says so, and
--- who said it.

local fail = require "fail"
local graph_clock = require "graph.clock"
local hint = require "log.hint"
local in_use = require "journal.in_use"
local layout = require "terminal.layout"
local states = require "handover.state"
local summary = require "handover.summary"
local time = require "time"

local STAGES = { ["to give"] = "waits to be given to somebody", given = "was given to somebody" }

local function waiting_secret_expiry(waiting)
  if not waiting.ends then return "whose expiry date is not known" end
  return "which expires in " .. time.span(waiting.ends - graph_clock.now())
end

-- Does Entra's log show that the waiting secret is in use? Another check says why that cannot be known.
local function is_shown_in_use(facts)
  local ok, found = pcall(facts.want, facts, "waiting_verdict")
  if not ok and fail.is(found, "interrupted") then error(found, 0) end
  return ok and found and found.verdict == "in use"
end

local function report_waiting_secret(findings, facts, state)
  local waiting, use = state.secret.waiting, facts:want "use"
  if not waiting or use.linked then return end
  if is_shown_in_use(facts) then
    return findings:warning {
      id = "unconfirmed",
      evidence = ("nobody said that the client secret %s is in use; Entra's log shows that it is")
        :format(waiting.short),
      cause = "The journal does not say so yet, and until it does, the client secret before it is never retired.",
      fix = facts.setup .. " looks at the log and puts that on record; a person's word is not needed.",
    }
  end
  local has = use.has and ("; %s still has %s"):format(use.who, in_use.short_key_id(use.has)) or ""
  findings:warning {
    id = "unconfirmed",
    evidence = ("the client secret %s, %s, %s, and nobody said that it is in use%s"):format(waiting.short,
      waiting_secret_expiry(waiting), STAGES[state.secret.state], has),
    cause = "Until somebody confirms that it is in use, the client secret before it is never retired.",
    fix = hint.text("Paste it into the form that {moonlatch} handover shows. When Test connection succeeded: "
      .. "{moonlatch} handover --confirm"),
  }
end

local function next_checklist_item(state)
  for _, item in ipairs(state.items) do
    if item.key == state.next then return item end
  end
end

local function report_open_items(findings, state)
  local item = next_checklist_item(state)
  if not item or item.key == "provider" then return end
  findings:warning {
    id = "open item " .. item.key,
    evidence = ("%s open in %s; the next is %s: %s"):format(layout.count(state.open, "item"),
      summary.consumer_name(state), item.key, item.what),
    cause = "Nobody ticked it, and it cannot be looked at from here.",
    fix = hint.text("%s. When it is done: {moonlatch} handover --done %s", item.where, item.key),
  }
end

---@type doctor.check
return {
  name = "hand-over",
  run = function(findings, facts)
    local row = facts:want("terms").handover
    local journal = facts:want "journal"
    if not row or not journal then return end
    local state = states.read(journal, row, graph_clock.now())
    if state.complete then
      return findings:ok("nothing required is left for a person in %s (%s); the rest cannot be looked at from here",
        summary.consumer_name(state), summary.known_by(state))
    end
    report_waiting_secret(findings, facts, state)
    report_open_items(findings, state)
  end,
}
