--- The doctor: checks that change nothing and run side by side. Each finding has a verdict, evidence, a cause and a
--- fix; the likely root cause comes first.

local examination = require "doctor.examination"
local http = require "http.client"
local layout = require "terminal.layout"
local log = require "log"
local options_of = require("base.options").of
local report = require "report"
local sys = require "host.sys"
local task = require "task"

local M = {}

--- "unknown": it could not be looked at, and something depends on it. "left out": it was not looked at, or tells
--- nothing, and nothing depends on it.
---@alias doctor.verdict "ok"|"warning"|"broken"|"unknown"|"left out"

---@class doctor.finding
---@field check string "client secret"
---@field verdict doctor.verdict
---@field id string? what kind of finding of this check it is, the same at every examination; nil when nothing is wrong
---@field about string? the id of what it is about: a client id, a key id; "" for the tenant and this machine
---@field subjects string[]? the ids of the things that it names
---@field follows string? the check that reports why this could not be looked at
---@field evidence string what was seen
---@field cause string? why it is so
---@field conditions evidence.condition[]? what has to hold before something happens by itself, and whether it does
---@field fix string? what to do

---@class doctor.report
---@field verdict "healthy"|"unknown"|"warnings"|"broken" unknown: nothing wrong was seen, but not everything could be
--- looked at
---@field findings doctor.finding[] the worst first; among equal ones, those on which others depend
---@field seconds number
---@field requests integer
---@field chain integer how many requests each needed the answer of the one before

-- The checks. An earlier check explains findings of later checks: when no service answers, no secret can be tried.
local CHECKS = {
  "reach", "clock", "sign_in", "application", "service_principal", "conditional_access", "secret", "entry",
  "permissions", "roles", "accounts", "resets", "evidence", "policy", "journal", "handover", "rotations", "credentials",
  "privilege", "machine",
}

local WORST = { broken = 1, warning = 2, unknown = 3, ok = 4, ["left out"] = 5 }

local function sort_findings(findings)
  for place, finding in ipairs(findings) do finding.place = place end
  table.sort(findings, function(a, b)
    if a.verdict ~= b.verdict then return WORST[a.verdict] < WORST[b.verdict] end
    return a.place < b.place
  end)
  for _, finding in ipairs(findings) do finding.place = nil end
  return findings
end

local OVERALL = { broken = "broken", warning = "warnings", unknown = "unknown", ok = "healthy" }

-- The overall verdict: that of the first finding, which is the worst.
local function overall_verdict(findings) return findings[1] and OVERALL[findings[1].verdict] or "unknown" end

---@class doctor.args the arguments of the setup, where they are not to be read from the journal
---@field name string of the application
---@field client_id string?
---@field managed string[]?
---@field jit_elevation boolean?
---@field vault string?
---@field path string?
---@field renew_before number? seconds

local read_args = options_of("doctor.examine", {
  name = "string", client_id = "string", managed = "table", jit_elevation = "boolean", vault = "string",
  path = "string", renew_before = "number",
})

--- Run all checks. Waits; changes nothing.
---@param workflow string id of the setup that PAM was set up with
---@param args doctor.args
---@return doctor.report
function M.examine(workflow, args)
  local began = sys.monotonic() -- an emulator's clock may jump
  local examined <close> = examination.new(workflow, read_args(args))
  local lists = task.map(CHECKS, #CHECKS, function(name)
    return examined:run(require("doctor.check." .. name))
  end)
  local findings = {}
  for _, list in ipairs(lists) do table.move(list, 1, #list, #findings + 1, findings) end
  sort_findings(findings)
  return {
    verdict = overall_verdict(findings), findings = findings, seconds = sys.monotonic() - began,
    requests = http.request_count(), chain = http.longest_chain(),
  }
end

local read_first_contact = options_of("doctor.first_contact", { record = "string", try_on = "string" })

--- Check the beliefs about the real services that reading can check, and print them all. With `record`, show the
--- answers without what names anybody, and keep them in that folder when a person at the terminal agrees. With
--- `try_on`, the client id of an application, also add a client secret to it and remove it again, which settles one
--- more belief. Waits; reads only without `try_on`.
---@param options { record: string?, try_on: string? }?
---@return integer status 0, or 1 when a belief does not hold
function M.first_contact(options)
  options = read_first_contact(options or {})
  local function run() return require("doctor.first_contact").run(options.try_on) end
  if not options.record then return run() end
  return require("doctor.recording").of(options.record, run)
end

local STATUS = { healthy = 0, broken = 1, warnings = 3, unknown = 3 }
local COLOR = { broken = "red", warning = "yellow", unknown = "cyan", ok = "green", ["left out"] = "dim" }

local function indent_finding(text) return (text:gsub("\n", "\n             ")) end

local function verdict_text(verdict) return log.style(COLOR[verdict], verdict) .. (" "):rep(9 - #verdict) end

local function print_finding(finding)
  log.prose(("%s%s: %s"):format(verdict_text(finding.verdict), finding.check, indent_finding(finding.evidence)))
  if finding.cause then log.prose("         why: " .. indent_finding(finding.cause)) end
  for _, one in ipairs(log.verbose() and finding.conditions or {}) do
    log.prose(("         %s: %s"):format(one.holds and "holds" or "lacks", one.text))
  end
  if finding.fix then log.prose("         fix: " .. indent_finding(finding.fix)) end
end

-- What findings that are told in one line have in common; nil: the finding is told by itself.
local function fold_of(finding)
  if finding.verdict == "ok" or finding.verdict == "left out" then return finding.verdict end
  if finding.verdict ~= "unknown" or finding.cause or finding.fix then return nil end
  return finding.evidence
end

-- The findings from this place on that are told in one line, and the place after them.
local function group_at(findings, place)
  local fold, group = fold_of(findings[place]), { findings[place] }
  place = place + 1
  while fold and findings[place] and fold_of(findings[place]) == fold do
    group[#group + 1] = findings[place]
    place = place + 1
  end
  return group, place
end

-- Print findings that have a line in common: "ok       reach, clock", "unknown  entry, roles: there is no application".
local function print_group(group)
  local verdict, names, seen = group[1].verdict, {}, {}
  for _, finding in ipairs(group) do
    if not seen[finding.check] then names[#names + 1] = finding.check end
    seen[finding.check] = true
  end
  local text = verdict_text(verdict) .. table.concat(names, ", ")
  log.note(verdict == "unknown" and ("%s: %s"):format(text, group[1].evidence) or text)
end

-- Print the findings, folded where nothing can be done about them; or each of them. Returns into how many they fold.
local function print_findings(findings, each)
  local place, count = 1, 0
  while findings[place] do
    local group, after = group_at(findings, place)
    if not each and fold_of(group[1]) then print_group(group)
    else for _, finding in ipairs(group) do print_finding(finding) end end
    place, count = after, count + 1
  end
  return count
end

-- Print the fix of the first finding again, which may have scrolled away.
local function print_first_fix(found, count)
  local first = found.findings[1]
  if count < 4 or not first.fix or first.verdict ~= "broken" and first.verdict ~= "warning" then return end
  log.prose(("%s %s: %s"):format(log.style("bold", "begin with"), first.check, first.fix:gsub("\n", " ")))
end

local function verdict_counts(findings)
  local by = { broken = 0, warning = 0, unknown = 0, ok = 0, ["left out"] = 0 }
  for _, finding in ipairs(findings) do by[finding.verdict] = by[finding.verdict] + 1 end
  local left_out = by["left out"] > 0 and (", %d left out"):format(by["left out"]) or ""
  return ("%d broken, %s, %d unknown, %d ok%s")
    :format(by.broken, layout.count(by.warning, "warning"), by.unknown, by.ok, left_out)
end

local function print_summary(found, each)
  local cost = log.verbose() and (" (%s, the longest chain %d, %.1f s)")
    :format(layout.count(found.requests, "request"), found.chain, found.seconds) or ""
  local more = not each and log.person() and "; --all shows each" or ""
  log.note(("%s: %s%s%s"):format(log.style("bold", found.verdict), verdict_counts(found.findings), more, cost))
end

--- Show a report. Returns its exit status: 0 healthy, 1 broken, 3 warnings or something unknown.
---@param found doctor.report
---@param all boolean? show also in full what is ok, and what was left out
---@return integer
function M.show(found, all)
  if log.json() then
    report.json(found)
  else
    local each = all or log.verbose()
    local count = print_findings(found.findings, each)
    print_summary(found, each)
    print_first_fix(found, count)
  end
  return STATUS[found.verdict]
end

return M
