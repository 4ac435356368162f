--- Programs a policy names: to be told of a change, or to take a client secret.
-- Always an argument list; what is run, and how it ended, goes on record first and after.

local fail = require "fail"
local process = require "host.process"
local record = require "journal.commit"
local task = require "task"
local time = require "time"

local M = {}

local PATIENCE = 60 -- seconds

local function raise(words, why)
  fail.raise {
    kind = "refused", what = "run " .. words[1], why = why,
    fix = "Run it by hand to see what it says; what was changed stays changed.",
  }
end

-- Wait for its end without keeping others from their work.
local function await(child, words)
  local ends = time.monotonic() + PATIENCE
  while time.monotonic() < ends do
    local status = child:wait(0)
    if status then return status end
    task.sleep(0.05)
  end
  raise(words, ("it did not end within %d seconds"):format(PATIENCE))
end

local function fill(words, values)
  local filled = {}
  for i, word in ipairs(words) do
    filled[i] = word:gsub("{(%w+)}", function(name) return values[name] end)
  end
  return filled
end

-- On record that it is run, and with which outcome: nothing is run that is not on record.
local function note(journal, state, values, words)
  journal:audit("run." .. state, { program = words[1], rotation = values.rotation }, time.now())
  record.commit(journal)
end

local function run(journal, words, values, value)
  note(journal, "start", values, words)
  local child <close>, message = process.start(words, value)
  if not child then raise(words, message) end
  local status = await(child, words)
  note(journal, status == 0 and "done" or "failed", values, words)
  if status ~= 0 then raise(words, ("it ended with status %d"):format(status)) end
end

--- Tell a program of a change: {name}, {policy} and {rotation} in its arguments are filled in.
---@param journal host.journal.journal
---@param words string[]
---@param values { name: string, policy: string, rotation: string }
function M.notify(journal, words, values) run(journal, fill(words, values), values) end

--- Give a program a secret on its standard input. Raises unless it ends with 0.
---@param journal host.journal.journal
---@param words string[]
---@param values { name: string, policy: string, rotation: string }
---@param value host.secret
function M.feed(journal, words, values, value) run(journal, fill(words, values), values, value) end

return M
