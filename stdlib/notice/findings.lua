--- What there is to tell: what expires, how the last run of each policy ended, what the doctor finds, and what of that
--- could not be looked at. A finding holds no secret and no address of a machine.

local expiry = require "expiry.look"
local hint = require "log.hint"
local last_run = require "journal.last_run"
local layout = require "terminal.layout"
local rotations = require "journal.rotations"
local time = require "time"

local M = {}

---@class notice.finding
---@field key string the same at every look, as long as it is the same thing
---@field kind "expiring"|"rotation"|"doctor"|"unknown"|"delivery"
---@field source string where it was seen; nothing of a source that was not looked at counts as resolved
---@field severity "warning"|"critical"
---@field title string
---@field text string?
---@field fix string?
---@field ends number? of what expires
---@field subjects string[]? ids of the things that it names, where there may be several
---@field follows string? the check of the doctor that finds why this could not be looked at: only that is told

---@class notice.look
---@field now number
---@field findings notice.finding[]
---@field calendar expiry.calendar? nil: what expires could not be looked at
---@field unseen table<string, true> sources that could not be looked at; "tenant" stands for "tenant/role", too

local LONGEST = 600 -- bytes of a text in a notice

local function is_ipv4(a, b, c, d)
  for _, part in ipairs { a, b, c, d } do
    if tonumber(part) > 255 then return false end
  end
  return true
end

local function hide_ipv4(a, b, c, d) return is_ipv4(a, b, c, d) and "[address]" or nil end

-- An IPv6 address has seven colons, or "::" in their place; a time of day has two.
local function hide_ipv6(word)
  local _, colons = word:gsub(":", "")
  return word:find "%x" and (colons == 7 or word:find("::", 1, true)) and "[address]" or nil
end

-- Replace IP addresses by "[address]": those in a sign-in log are of people's own computers.
local function without_addresses(text)
  return (text:gsub("[%x:]+", hide_ipv6):gsub("%f[%d.](%d+)%.(%d+)%.(%d+)%.(%d+)%f[^%d]", hide_ipv4))
end

-- Leave out characters that change the direction of the text around them: a name must not turn the words after it.
-- https://www.unicode.org/reports/tr9/#Directional_Formatting_Characters
local function without_directions(text)
  return (text:gsub("\xE2\x80[\x8E\x8F\xAA-\xAE]", ""):gsub("\xE2\x81[\xA6-\xA9]", ""):gsub("\xD8\x9C", "")
    :gsub("\xE2\x80[\xA8\xA9]", " "))
end

--- Make a text fit for a notice: one line without control characters and changes of direction, no address of a machine,
--- at most 600 bytes.
---@param text string?
---@return string?
function M.clean(text)
  if not text then return nil end
  text = without_addresses(without_directions((text:gsub("%s+", " "):gsub("%c", " "))))
  if #text <= LONGEST then return text end
  return text:sub(1, utf8.offset(text, 0, LONGEST) - 1) .. "…"
end

local function add(look, finding)
  for _, name in ipairs { "key", "title", "text", "fix" } do finding[name] = M.clean(finding[name]) end
  look.findings[#look.findings + 1] = finding
end

-- Leave a source unresolved that could not be looked at. Returns the source of that finding itself, which stays
-- unresolved, too, while anything of it is unknown.
local function mark_unseen(look, source)
  local own_source = "unknown/" .. source
  look.unseen[source], look.unseen[own_source] = true, true
  return own_source
end

--- Add that something could not be looked at.
---@param look notice.look
---@param source string
---@param what string "when a role assignment expires"
---@param why string?
---@param fix string?
function M.add_unknown(look, source, what, why, fix)
  local own_source = mark_unseen(look, source)
  add(look, { key = own_source, kind = "unknown", source = own_source, severity = "warning",
    title = "it is not known " .. what, text = why, fix = fix })
end

local SOON = 7 * 86400 -- seconds before its expiry date from which something is critical

--- Add what expires. A credential that was replaced is left out: it expires as it should.
---@param look notice.look
---@param calendar expiry.calendar
function M.add_expiring(look, calendar)
  for _, item in ipairs(calendar.items) do
    if item.ends and item.use ~= "retiring" then
      add(look, { key = "expiring/" .. item.key, kind = "expiring", source = item.source,
        severity = item.ends - look.now <= SOON and "critical" or "warning", title = expiry.words(item),
        fix = item.fix, ends = item.ends })
    end
  end
  for _, unknown in ipairs(calendar.unknown) do
    M.add_unknown(look, unknown.source, unknown.what, unknown.why, unknown.fix)
  end
end

local WORDS = {
  failed = "the rotation of %s failed", stop = "the rotation of %s stopped: a person must look",
  person = "%s waits for a person", refuse = "the rotation of %s is refused",
  left = "it is unknown which value is in force of %s", unread = "%s may select more than could be read",
}

-- Add the problems of a policy's last run, and note in `told` the ids of the accounts.
local function add_run_problems(look, run, told)
  for _, problem in ipairs(run.problems) do
    local id = problem.id or problem.name
    told[id] = true
    add(look, { key = ("rotation/%s/%s/%s"):format(run.policy, id, problem.what), kind = "rotation",
      source = "journal", severity = problem.what == "stop" and "critical" or "warning",
      title = ("%s: %s"):format(run.policy, (WORDS[problem.what] or "%s needs a look"):format(problem.name)),
      text = problem.why, fix = problem.fix or hint.text("See it: {moonlatch} plan %s", run.policy) })
  end
  if run.failure then
    add(look, { key = ("rotation/%s"):format(run.policy), kind = "rotation", source = "journal", severity = "critical",
      title = ("%s could not run: %s"):format(run.policy, run.failure.what), text = run.failure.why,
      fix = run.failure.fix or hint.text("Run it by hand: {moonlatch} rotate %s", run.policy) })
  end
end

--- Add the outcome of rotations: the last run of each policy, and accounts for which a person has to look.
---@param look notice.look
---@param journal host.journal.journal
function M.add_rotations(look, journal)
  local told, runs, unread = {}, last_run.all(journal)
  for _, run in ipairs(runs) do add_run_problems(look, run, told) end
  if #unread > 0 then
    M.add_unknown(look, "journal", "how the last run of " .. layout.list(unread, "and") .. " ended",
      "the record cannot be opened: it was altered, or made with another key",
      hint.text "See what else was altered: {moonlatch} journal verify")
  end
  for _, row in ipairs(rotations.user_passwords:unfinished(journal)) do
    if row.state == "orphaned" and not told[row.id] then
      add(look, { key = "rotation/account/" .. row.id, kind = "rotation", source = "journal", severity = "critical",
        title = WORDS.stop:format(row.body.name), text = row.body.why,
        fix = hint.text "Find out which password is in force: {moonlatch} doctor says how to go on" })
    end
  end
end

-- A finding of the doctor in several examinations, or about several things, is told once.
local function add_doctor_finding(look, known, finding)
  local before = known[finding.key]
  if not before then
    known[finding.key] = finding
    return add(look, finding)
  end
  if before.subjects and finding.subjects then
    table.move(finding.subjects, 1, #finding.subjects, #before.subjects + 1, before.subjects)
  end
end

local function doctor_finding(found, source)
  local is_unknown = found.verdict == "unknown"
  return {
    key = ("%s/%s/%s"):format(source, found.about, found.id), kind = is_unknown and "unknown" or "doctor",
    source = source, severity = found.verdict == "broken" and "critical" or "warning", text = found.cause,
    title = ("%s: %s"):format(found.check, found.evidence), fix = found.fix, follows = found.follows,
    subjects = found.subjects and table.move(found.subjects, 1, #found.subjects, 1, {}),
  }
end

--- Add what the doctor found; not what it left out, on which nothing depends. The key of a finding is made of the
--- check, of what it is about and of what kind it is, never of its words, in which numbers change.
---@param look notice.look
---@param findings doctor.finding[]
function M.add_doctor(look, findings)
  local known = {}
  for _, found in ipairs(findings) do
    local source = "doctor/" .. found.check
    if found.verdict == "unknown" then
      add_doctor_finding(look, known, doctor_finding(found, mark_unseen(look, source)))
    elseif found.verdict == "left out" then
      look.unseen[source] = true -- nothing to tell, and nothing of it counts as resolved
    elseif found.verdict ~= "ok" then
      add_doctor_finding(look, known, doctor_finding(found, source))
    end
  end
end

--- An empty look.
---@param now number?
---@return notice.look
function M.new(now) return { now = now or time.now(), findings = {}, unseen = {} } end

return M
