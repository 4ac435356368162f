--- Run a program that a policy names: to tell it of a change, or to give it a client secret. It is started with an
--- argument list, never through a shell. The journal says before the run what is run, and after it how it ended.

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

-- Wait until the program ends. Other tasks go on.
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

-- Put on record that a program is run, or how it ended.
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

--- Give a program a secret on its standard input. Raises a failure unless it exits with 0.
---@param journal host.journal.journal
---@param words string[]
---@param values { name: string, policy: string, rotation: string }
---@param value host.secret
function M.feed(journal, words, values, value) run(journal, fill(words, values), values, value) end

return M
