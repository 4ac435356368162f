--- The journal as the doctor sees it: opened if there is one, never made.

local fail = require "fail"
local profiles = require "profile"
local session = require "session"
local sys = require "host.sys"

local M = {}

local FIXES = {
  key = "Name the key this journal was made with in the profile; a new one cannot open what the old one sealed.",
  binding = "Give this profile a `state` folder of its own.",
  damaged = "Keep the folder as it is, and restore it from a backup; nothing is changed meanwhile.",
  io = "Make room, or let the folder be written.",
}

--- The journal of the exam's profile; nil where there is none yet.
---@param exam doctor.exam
---@return host.journal.journal?
function M.open(exam)
  exam.journal = session.journal()
  local folder = exam.profile.state
  if exam.journal then return exam.journal end
  if not sys.stat(folder .. "/journal.db") then return nil end
  local journal, message, kind = require("host.journal").open(folder, profiles.key(), exam.profile.binding)
  if not journal then
    fail.raise { kind = "journal", what = "open the journal in " .. folder, why = message, fix = FIXES[kind] }
  end
  exam.journal, exam.own = journal, true
  return journal
end

return M
