--- What Entra's sign-in log shows of the consumer: does it sign in, with which client secret, and is it refused? A log
--- that cannot be read is left out: `healthy` never said who signs in.

local evidence_rules = require "evidence.rules"
local explain = require "explain.cause"
local graph_clock = require "graph.clock"
local hint = require "log.hint"
local in_use = require "journal.in_use"
local refused_sign_ins = require "evidence.refused_sign_ins"
local time = require "time"

local MOST = 5 -- failures told

local EXPIRED, NOT_VALID = 7000222, 7000215

-- What is not known while a source cannot be read.
local WHAT = { sign_ins = "who signs in with the client secret", audits = "who reset passwords" }

-- Leave out what could not be read now, with what was read before.
local function report_gaps(findings, logs)
  local by_why = {}
  for _, gap in ipairs(logs.gaps) do
    local what = WHAT[gap.source]
    local same = what and by_why[gap.why]
    if same then same.evidence = ("%s, and %s"):format(same.evidence, what)
    elseif what then
      by_why[gap.why] = { evidence = "not looked at: " .. what, cause = gap.why, fix = gap.fix }
      table.insert(by_why, by_why[gap.why])
    end
  end
  for _, fields in ipairs(by_why) do findings:left_out(fields) end
end

-- "…c7e1", when the log tells which one it is.
local function tried_secret_text(key_id) return key_id and (", …%s,"):format(key_id:sub(-4)) or "" end

local PASTE = "Give it the client secret that is in use: {moonlatch} handover."

-- Report refused sign-ins. Those from before our own sign-ins were on record may be our own, so they prove nothing.
local function report_refused(findings, failing, fields)
  if not failing.unsure then return findings:broken(fields) end
  fields.evidence = fields.evidence .. "; they may be Moonlatch's own, because what it did then is not on record"
  findings:left_out(fields)
end

local function report_failure(findings, failing)
  local id = ("refused %d %s"):format(failing.code, failing.key_id or "?")
  local subjects = { failing.address or "?" }
  if failing.code == EXPIRED then
    return report_refused(findings, failing, {
      id = id, subjects = subjects,
      evidence = ("a client secret that has expired%s is still tried %s (AADSTS%d)")
        :format(tried_secret_text(failing.key_id), failing.text, EXPIRED),
      cause = "Something there was not given the new one.", fix = hint.text(PASTE),
    })
  elseif failing.code == NOT_VALID then
    return report_refused(findings, failing, {
      id = id, subjects = subjects,
      evidence = ("a client secret that Entra does not accept%s is tried %s (AADSTS%d)")
        :format(tried_secret_text(failing.key_id), failing.text, NOT_VALID),
      cause = "It was removed, or something else was pasted in its place.", fix = hint.text(PASTE),
    })
  end
  local reason = explain.aadsts(failing.code) or {}
  report_refused(findings, failing, {
    id = id, subjects = subjects,
    evidence = ("sign-ins with the application are refused (AADSTS%d) %s"):format(failing.code, failing.text),
    cause = reason.cause or "The sign-in log has the reason.",
    fix = reason.fix or "Look at the sign-in log: Entra admin center > Sign-in logs > Service principal sign-ins.",
  })
end

-- Causes that other checks look at now: that a sign-in was refused for one of them before tells nothing.
local LOOKED_AT_NOW = { [7000112] = true, [700016] = true, [7000229] = true }

local function failures_to_report(logs)
  local list = {}
  for _, failing in ipairs(refused_sign_ins.of(logs.uses, graph_clock.now())) do
    if not LOOKED_AT_NOW[failing.code] then list[#list + 1] = failing end
  end
  return list
end

local function report_failures(findings, logs)
  local list = failures_to_report(logs)
  for i = 1, math.min(MOST, #list) do report_failure(findings, list[i]) end
  if #list > MOST then
    findings:broken { id = "refused elsewhere", evidence = ("and from %d more addresses"):format(#list - MOST),
      fix = "See all of them: Entra admin center > Sign-in logs > Service principal sign-ins." }
  end
end

-- Warn of a replaced client secret that is still used: since somebody said, or the log showed, that the new one is.
local function report_replaced_secrets(findings, logs, use)
  local since = use.has and use.has.body.confirmed_at or 0
  for _, row in ipairs(use.retiring) do
    local last = row.body.key_id
      and evidence_rules.holding_use(logs.uses, row.body.key_id, graph_clock.now(), logs.rhythm)
    if last and last.at > since then
      findings:warning {
        id = "replaced", about = row.id,
        evidence = ("%s was replaced, and was used %s"):format(in_use.short_key_id(row), last.text),
        cause = "Something was not given the new one; until it stops, the old one is not removed.",
        fix = hint.text(PASTE .. " If that use is not wanted: {moonlatch} journal retire %s --in-use", row.body.key_id),
      }
    end
  end
end

local function report_use_of_confirmed(findings, logs, use)
  local has = use.has
  local last = has.body.key_id and evidence_rules.last_use(logs.uses, has.body.key_id, graph_clock.now())
  if last and not last.failed then
    findings:ok("%s signs in with %s, %s", use.who, in_use.short_key_id(has), last.text)
  elseif not last then
    findings:left_out {
      evidence = ("the log shows no sign-in with %s but our own, which proves nothing"):format(
        in_use.short_key_id(has)),
    }
  end
end

-- Is the newest secret in use, where nobody confirmed that?
local function report_use_of_waiting(findings, found, waiting)
  if found.verdict == "in use" then
    findings:ok("%s is in use, though nobody confirmed it: %s", in_use.short_key_id(waiting), found.text)
  else
    findings:left_out { evidence = ("whether %s is in use: %s"):format(in_use.short_key_id(waiting), found.text) }
  end
end

---@type doctor.check
return {
  name = "evidence",
  run = function(findings, facts)
    local found, logs = facts:want "application", facts:want "logs"
    if not found or not logs then return end
    report_gaps(findings, logs)
    if #logs.coverage.spans == 0 then return end
    report_failures(findings, logs)
    local use = facts:want "use"
    report_replaced_secrets(findings, logs, use)
    if use.has then report_use_of_confirmed(findings, logs, use) end
    local verdict = facts:want "waiting_verdict"
    if verdict then report_use_of_waiting(findings, verdict, use.waiting) end
    if logs.age and logs.age > 3600 then
      findings:left_out { evidence = ("what happened in the last %s: the log was read before that")
        :format(time.span(logs.age)) }
    end
  end,
}
