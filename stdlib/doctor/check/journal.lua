--- Is the journal intact, and is a rotation unfinished?

local evidence_rules = require "evidence.rules"
local graph_clock = require "graph.clock"
local hint = require "log.hint"
local in_use = require "journal.in_use"
local time = require "time"

-- Is the chain of records unbroken?
local function check_journal_chain(findings, journal, profile)
  local count, message, seq = journal:verify()
  if not count then
    return findings:broken { id = "altered", about = "",
      evidence = "the journal was altered" .. (seq and (" (record %d)"):format(seq) or ""),
      cause = message,
      fix = hint.text("Keep %s as it is: it is evidence. To go on with a backup: {moonlatch} journal restore FILE "
        .. "--set-aside", profile.state) }
  end
  findings:ok("the journal's %d records are unbroken", count)
end

-- The conditions for a removal by evidence, as a run would judge them now.
local function conditions_of(facts, logs, has, row)
  local proof = facts:want "used_proof"
  local _, conditions = evidence_rules.may_remove {
    uses = logs.uses, coverage = logs.coverage, new = has.body.key_id, olds = logs.earlier(has), old = row.body.key_id,
    rhythm = logs.rhythm, now = graph_clock.now(),
    grace_over = row.body.retire_at <= graph_clock.now(), proven = proof and proof.accepted == true or false,
    unseen = facts:want "unseen",
  }
  return conditions
end

local function missing_text(conditions)
  local texts = {}
  for _, one in ipairs(conditions) do
    if not one.holds then texts[#texts + 1] = one.text end
  end
  return #texts > 0 and "Missing for its removal: " .. table.concat(texts, "; ") .. "." or nil
end

local STAYS = "%s was replaced, and stays until it expires%s: Entra's log, and no person, confirmed the new one; %s"

-- Report a replaced credential that no run removes, because the log alone confirmed its successor.
local function report_kept_by_rules(findings, facts, row)
  local logs, key_id, has = facts:want "logs", row.body.key_id, facts:want("use").has
  local is_judged = logs and key_id and has.body.key_id
  local last = is_judged and evidence_rules.last_use(logs.uses, key_id, graph_clock.now())
  local conditions = is_judged and conditions_of(facts, logs, has, row) or nil
  findings:left_out {
    evidence = STAYS:format(row.body.marker, row.body.ends and " on " .. time.day(row.body.ends) or "",
      last and "it was last used " .. last.text or is_judged and "the log shows no use of it"
        or "whether it is used is unknown"),
    cause = conditions and missing_text(conditions), conditions = conditions,
    fix = key_id and hint.text("If nothing uses it any more: {moonlatch} journal retire %s", key_id),
  }
end

-- Does Entra's log keep a credential whose grace is over? The check `evidence` tells of a use.
local function is_kept_by_log(findings, facts, row)
  local has, logs, key_id = facts:want("use").has, facts:want "logs", row.body.key_id
  if has and has.body.confirmed_by == in_use.BY_LOG then
    report_kept_by_rules(findings, facts, row)
    return true
  end
  if not has or not logs or not key_id then return false end
  return evidence_rules.holding_use(logs.uses, key_id, graph_clock.now(), logs.rhythm) ~= nil
end

local function report_overdue(findings, facts, row)
  local by_person = row.body.by_person
  if not by_person and is_kept_by_log(findings, facts, row) then return end
  findings:warning {
    id = "grace over", about = row.id,
    evidence = ("%s was replaced, and its grace ended on %s"):format(row.body.marker, time.day(row.body.retire_at)),
    cause = by_person and "A person made it, so only a person removes it." or "No run has removed it yet.",
    fix = by_person and hint.text "Remove it: {moonlatch} journal retire " .. row.body.key_id
      or "Remove it: " .. facts.setup,
  }
end

local function report_lost_answers(findings, facts, view)
  for _, lost in ipairs(view.lost) do
    findings:warning { id = "lost", about = lost.row.id,
      evidence = ("the answer to %s was lost, and its value with it"):format(lost.row.body.marker),
      cause = "A run was cut off while a secret was made.",
      fix = "Run " .. facts.setup .. ": it looks for it, and removes it when that is safe; else it names the command." }
  end
  for _, row in ipairs(view.overdue) do report_overdue(findings, facts, row) end
end

local HALFWAY = { known = "made, but not proven", proven = "proven, but not stored or handed over" }
local function report_unfinished_secret(findings, facts, newest)
  if not newest or not HALFWAY[newest.state] then return end
  -- without an entry a proven secret waits for a person: the check of the hand-over reports that
  if newest.state == "proven" and not facts:want "entry" then return end
  findings:warning { id = "unfinished", about = newest.id,
    evidence = ("%s is %s"):format(newest.body.marker, HALFWAY[newest.state]),
    cause = "A run stopped there.", fix = "Run " .. facts.setup .. ": it goes on there." }
end

---@type doctor.check
return {
  name = "journal",
  run = function(findings, facts)
    local journal = facts:want "journal"
    if not journal then
      return findings:unknown { id = "none", about = "",
        evidence = ("there is no journal in %s"):format(facts.profile.state),
        cause = "Nothing was set up from here, or the folder was lost." }
    end
    check_journal_chain(findings, journal, facts.profile)
    local view = facts:want "view"
    if not view then return end
    report_unfinished_secret(findings, facts, view.newest)
    report_lost_answers(findings, facts, view)
  end,
}
