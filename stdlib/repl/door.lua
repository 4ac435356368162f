--- The prompt's door, in front of the session's door: it prints requests with their times, and asks a person before
--- each change.
---
--- This door can refuse more than the door behind it, and never less: every request passes the door behind it.

local class = require "base.class"
local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local log = require "log"
local output = require "log.output"
local sys = require "host.sys"
local term = require "host.term"
local trace = require "http.trace"

local M = {}

---@class repl.door.settings
---@field write boolean may changes be made?
---@field yes boolean are changes made without asking?
---@field trace boolean is each request printed?

---@class repl.door
---@field behind host.gate.door
---@field settings repl.door.settings
---@field transfers table<host.gate.transfer, repl.transfer>
---@field paths string[] the paths of Graph that were read since `clear`
---@field agreed table<string, boolean> keys of the changes that a person agreed to and that are not done yet
---@field all boolean did the person agree to all changes of this entry?
local Door = class "repl.door"
Door.traces = true -- requests are printed here instead of in http.client

---@class repl.transfer
---@field behind host.gate.transfer
---@field door repl.door
---@field request host.request
---@field key string?
---@field began number
local Transfer = class "repl.transfer"

---------------------------------------------------------------------------
-- Printing requests

local function print_traced_request(transfer, answer, kind)
  log.error(log.style("dim", trace.line(transfer.request, answer, kind, sys.monotonic() - transfer.began)))
end

--- The answer of the request. Prints the request when the setting `trace` is on.
function Transfer:answer()
  local answer, message, kind, maybe_sent = self.behind:answer()
  local door = self.door
  if self.key and answer and answer:status() < 400 then door.agreed[self.key] = nil end
  if door.settings.trace then print_traced_request(self, answer, kind) end
  return answer, message, kind, maybe_sent
end

function Transfer:close()
  self.door.transfers[self.behind] = nil
  self.behind:close()
end

Transfer.__close = Transfer.close

---------------------------------------------------------------------------
-- Asking before a change

local function preview_request(request)
  local lines = { ("%s %s"):format(log.style("bold", request:method()), request:url()) }
  local body = request:body()
  local value = body and json.decode(body)
  local text = value ~= nil and json.encode(value, true) or body or ""
  for line in text:gmatch("[^\n]+") do lines[#lines + 1] = "  " .. line end
  return table.concat(lines, "\n")
end

local function ask_for_change(door, text, question)
  output.end_progress()
  log.error(text)
  local answer = (term.read_line(question .. " [y/N, all: whatever else this line changes] ") or ""):lower()
  if answer == "all" then door.all = true end
  return answer == "y" or answer == "yes" or answer == "all"
end

---@class repl.change a change that a person is asked about
---@field what string the change, for the failure
---@field key string equal for equal changes
---@field show fun(): string the text that the person sees
---@field question string
---@field nothing string the fix in the failure after a no

-- Raise "refused" unless the person agrees to the change. The same change, sent again after a lost or refused answer,
-- needs no second yes.
local function require_agreement(door, change)
  local function refuse(why, fix) fail.raise { kind = "refused", what = change.what, why = why, fix = fix } end
  if not door.settings.write then
    refuse("it would change something, and this session only reads",
      "Leave with Ctrl-D, and start the prompt with --write: then it asks before each change.")
  end
  if door.settings.yes or door.all or door.agreed[change.key] then return end
  if not require("cli.workflow_command").is_interactive() then
    refuse("it would change something, and there is no terminal to ask on",
      hint.text "To make changes without asking: {moonlatch} repl --write --yes.")
  end
  if not ask_for_change(door, change.show(), change.question) then refuse("you said no", change.nothing) end
  door.agreed[change.key] = true
end

local function change_of_request(request)
  return {
    what = ("%s %s"):format(request:method(), trace.path_and_query(request)),
    key = ("%s %s\n%s"):format(request:method(), request:url(), request:body() or ""),
    show = function() return preview_request(request) end, question = "Send this?", nothing = "Nothing was sent.",
  }
end

---------------------------------------------------------------------------
-- The door

function Door:submit(request, credential, rights, timeout, note)
  local key
  if request:changes() then
    local change = change_of_request(request)
    key = change.key
    require_agreement(self, change)
  elseif request:peer() == "graph" then
    self.paths[#self.paths + 1] = trace.path_and_query(request)
  end
  local began = sys.monotonic()
  local behind, message, kind = self.behind:submit(request, credential, rights, timeout, note)
  if not behind then return nil, message, kind end
  local transfer = Transfer { behind = behind, door = self, request = request, key = key, began = began }
  self.transfers[behind] = transfer
  return transfer
end

function Door:poll(ms)
  local list = self.behind:poll(ms)
  for i, behind in ipairs(list) do list[i] = self.transfers[behind] or behind end
  return list
end

--- Ask before a program is run. The door behind decides whether it may be run at all.
function Door:run(rights, name, arguments, ...)
  local words = ("%s %s"):format(name, table.concat(arguments, " "))
  require_agreement(self, {
    what = ("run the program '%s'"):format(name), key = "run " .. words,
    show = function() return log.style("bold", "run ") .. words end, question = "Run this?",
    nothing = "Nothing was run.",
  })
  return self.behind:run(rights, name, arguments, ...)
end

--- Ask before a file is written.
function Door:write(rights, folder, name, ...)
  require_agreement(self, {
    what = ("write '%s' in the folder '%s'"):format(name, folder), key = ("write %s/%s"):format(folder, name),
    show = function() return log.style("bold", "write ") .. ("%s in the folder %s"):format(name, folder) end,
    question = "Write this?", nothing = "Nothing was written.",
  })
  return self.behind:write(rights, folder, name, ...)
end

function Door:ran(...) return self.behind:ran(...) end
function Door:read(...) return self.behind:read(...) end
function Door:list(...) return self.behind:list(...) end
function Door:flush() return self.behind:flush() end
function Door:running() return self.behind:running() end

--- Forget the person's answers and the paths, because a new entry begins.
function Door:clear()
  self.agreed, self.all, self.paths = {}, false, {}
end

--- Make a door in front of another door.
---@param behind host.gate.door
---@param settings repl.door.settings
---@return repl.door
function M.new(behind, settings)
  local door = Door { behind = behind, settings = settings, transfers = {} }
  door:clear()
  return door
end

return M
