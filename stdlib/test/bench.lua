--- What a case of a test gets (`t`): a fresh emulated tenant, the script to run, and functions that check.

local class = require "base.class"
local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local nearest = require "base.nearest"
local options = require "base.options"
local process = require "host.process"
local services = require "test.services"
local stage = require "rehearse.stage"
local sys = require "host.sys"
local time = require "time"

local M = {}

local SECONDS = 120 -- that a command may take
local MOST_OUTPUT = 4 << 20 -- bytes
local PASSED = { "HOME", "XDG_CONFIG_HOME", "TMPDIR" } -- of our environment, which the commands get

---@class test.outcome what a command did
---@field status integer exit status
---@field result any its JSON document; of a script: what it reported
---@field notes table<string, string> of a set-up job: name of a step -> its notes, one a line
---@field failure table? kind, what, why and fix, when it failed
---@field text string the end of what it printed for a person

---@class test.bench
---@field tenant table acts of another admin in the tenant: t.tenant.add_person("zoe@contoso.onmicrosoft.com")
---@field server table acts in Devolutions Server: t.server.add_vault("Privileged")
---@field requests test.stand_in.request[] what the stand-ins of services were asked
---@field script string
---@field args table<string, script.argument> that the script declares
---@field stage rehearse.stage
---@field services test.services
local Bench = class("test.bench", {
  open = { "tenant", "server", "requests", "fault", "pass", "run", "plan", "apply", "verify", "destroy", "notify",
    "rehearse", "graph", "file", "check", "equal", "has" },
})

---------------------------------------------------------------------------
-- Commands

local function raise_test_failure(what, why, fix)
  fail.raise { kind = "config", what = what, why = why, fix = fix }
end

-- Only arguments that the script declares: an option of the command could lead it to another tenant.
local function check_argument_name(self, name)
  if self.args[name] then return end
  local meant = type(name) == "string" and nearest(name, self.args)
  raise_test_failure(("give %s the argument '%s'"):format(self.script, tostring(name)), "the script declares none "
    .. "of that name", meant and ("Did you mean '%s'?"):format(meant) or "Use one of its `args`.")
end

local function words_of_arguments(self, given)
  local words = {}
  for name, value in pairs(given or {}) do
    check_argument_name(self, name)
    local option = "--" .. tostring(name):gsub("_", "-")
    if value == false then words[#words + 1] = "--no-" .. option:sub(3)
    elseif value == true then words[#words + 1] = option
    else
      local text = type(value) == "table" and table.concat(value, ",") or tostring(value)
      words[#words + 1] = ("%s=%s"):format(option, text)
    end
  end
  table.sort(words)
  return words
end

-- Wait for the end of a command, and answer the requests to the stand-ins meanwhile.
local function output_of_command(self, child, command)
  local deadline = sys.monotonic() + SECONDS
  repeat
    self.services:turn(10)
    local text, why = child:text(self.services.service and 0 or 0.1, MOST_OUTPUT)
    if text then return text end
    if sys.interrupts() > 0 then
      fail.raise { kind = "interrupted", what = command, why = "it was interrupted" }
    end
    if why ~= "timeout" then
      raise_test_failure(command, "it printed more than 4 MiB", "Let the script print less.")
    end
  until sys.monotonic() > deadline
  child:kill "KILL"
  raise_test_failure(command, ("it did not end within %d seconds"):format(SECONDS),
    "Find out what it waits for: run it by hand with --verbose.")
end

local function notes_by_step(result)
  local notes = {}
  for _, step in ipairs(type(result) == "table" and result.steps or {}) do
    notes[step.name] = table.concat(step.notes or {}, "\n")
  end
  return notes
end

-- Run a command of this program on the emulator. `words` follow the name of the script.
local function run_command(self, command, name, words)
  local line = { sys.executable(), command }
  if name then line[#line + 1] = name end
  table.move(words, 1, #words, #line + 1, line)
  for _, word in ipairs { "--json", "--config", self.config } do line[#line + 1] = word end
  if self.folder then table.move({ "--scripts", self.folder }, 1, 2, #line + 1, line) end
  local child <close> = assert(process.start(line, nil, PASSED, "kept"))
  local text = output_of_command(self, child, command .. (name and " " .. name or ""))
  local status, result = child:wait(10), json.decode(text)
  return {
    status = status, result = result, notes = notes_by_step(result),
    failure = type(result) == "table" and result.error or nil, text = child:complaint() or "",
  }
end

local function script_command(command, ...)
  local more = { ... }
  return function(self, args)
    local words = words_of_arguments(self, args)
    table.move(more, 1, #more, #words + 1, words)
    return run_command(self, command, self.script, words)
  end
end

--- Run the script, as `moonlatch run` does, with these arguments: `t:run { older_than = "30d" }`.
---@param args table<string, any>?
---@return test.outcome
Bench.run = script_command "run"

--- Plan the script: of a set-up job, exit status 3 means that something is to be done.
---@param args table<string, any>?
---@return test.outcome
Bench.plan = script_command "plan"

--- Apply a set-up job, without a question.
---@param args table<string, any>?
---@return test.outcome
Bench.apply = script_command("apply", "--yes")

--- Verify a set-up job: exit status 3 when something has drifted.
---@param args table<string, any>?
---@return test.outcome
Bench.verify = script_command "verify"

--- Remove what a set-up job made, without a question.
---@param args table<string, any>?
---@return test.outcome
Bench.destroy = script_command("destroy", "--yes")

--- Send a test notice by the rules for notices.
---@return test.outcome
function Bench:notify() return run_command(self, "notify", self.script, { "--test" }) end

--- Try the sink: values are stored, read back and removed, with lost answers. `t:rehearse { box = "trial" }`.
---@param args table<string, any>? arguments of the sink
---@return test.outcome
function Bench:rehearse(args)
  local words = { self.script }
  for name, value in pairs(args or {}) do
    check_argument_name(self, name)
    table.move({ "--with", ("%s=%s"):format(name, tostring(value)) }, 1, 2, #words + 1, words)
  end
  words[#words + 1] = "--yes"
  return run_command(self, "rehearse", "sink", words)
end

---------------------------------------------------------------------------
-- The tenant

--- Make requests fail from now on: `t:fault "graph GET /users 503 2"`. `moonlatch emulator --help` shows the form.
---@param rule string
function Bench:fault(rule) self.stage:fault(rule) end

--- Let time pass: `t:pass "30d"`.
---@param span string
function Bench:pass(span) self.stage:pass(time.duration(span)) end

--- Read from Graph as a Global Administrator who sees every change at once:
--- `t:graph("/groups", { filter = "displayName eq 'Our group'" }).value`.
---@param path string
---@param query graph.options? select, filter and the like
---@return table
function Bench:graph(path, query) return self.stage:graph(path, query) end

--- The text of a file that the script wrote into one of its folders; nil when there is none.
---@param folder string the name in `needs.files`
---@param name string
---@return string?
function Bench:file(folder, name)
  if not self.folders[folder] then
    raise_test_failure(("read the file %s in %s"):format(name, folder), "the script declares no such folder",
      "Name a folder of its needs.files.")
  end
  if name:find "[/%z]" or name == ".." then
    raise_test_failure("read the file " .. name, "it is no plain name", "Name the file without its folder.")
  end
  return (sys.read(self.folders[folder] .. "/" .. name, MOST_OUTPUT))
end

---------------------------------------------------------------------------
-- Checking

local function describe_value(value)
  if type(value) == "string" then return ("%q"):format(value) end
  local ok, text = pcall(json.encode, value)
  return ok and text or tostring(value)
end

local function raise_unexpected(why)
  local line = options.calling_script_line()
  fail.raise { kind = "refused", what = line and "the check in " .. line or "a check", why = why }
end

--- Check that the value is neither nil nor false.
---@param value any
---@param what string? what is expected, for the report
function Bench.check(_, value, what)
  if not value then raise_unexpected(what and "not so: " .. what or "it is " .. tostring(value)) end
end

local function are_equal(one, other)
  if type(one) ~= "table" or type(other) ~= "table" then return one == other end
  for key, value in pairs(one) do
    if not are_equal(value, other[key]) then return false end
  end
  for key in pairs(other) do
    if one[key] == nil then return false end
  end
  return true
end

--- Check that two values are equal, tables by their members: `t:equal(0, outcome.status)`.
---@param expected any
---@param got any
---@param what string? what is compared, for the report
function Bench.equal(_, expected, got, what)
  if are_equal(expected, got) then return end
  raise_unexpected(("%sexpected %s, but it is %s"):format(what and what .. ": " or "", describe_value(expected),
    describe_value(got)))
end

--- Check that a text has this part, without patterns.
---@param text any
---@param part string
function Bench.has(_, text, part)
  if type(text) == "string" and text:find(part, 1, true) then return end
  raise_unexpected(("%s is not in %s"):format(describe_value(part), describe_value(text)))
end

---------------------------------------------------------------------------
-- Opening it

-- The profile of the emulator, with the stand-ins, folders and programs of the script.
local function write_configuration(self, needs)
  local place = self.stage.emulator.config:match "^(.*)/"
  local members = { self.services:peers "stand-ins.pem" }
  if self.services:ca() then assert(sys.write(place .. "/stand-ins.pem", self.services:ca(), "replace")) end
  for _, name in ipairs(needs.files or {}) do
    self.folders[name] = ("%s/folder-%s"):format(place, name)
    assert(sys.mkdir(self.folders[name]))
    members[#members + 1] = ("folders = { [%q] = %q },"):format(name, self.folders[name])
  end
  for _, name in ipairs(needs.run or {}) do
    members[#members + 1] = ("programs = { [%q] = { '/bin/true' } },"):format(name)
  end
  local text = assert(sys.read(self.stage.emulator.config, MOST_OUTPUT))
  local changed, count = text:gsub("\n    emulator = {", function(found)
    return "\n    " .. table.concat(members, "\n    ") .. found
  end)
  assert(count == 1, "the emulator's configuration has another form")
  self.config = place .. "/test.lua"
  assert(sys.write(self.config, changed, "replace"))
end

local function check_stand_ins(self, needs)
  for name in pairs(needs.peers or {}) do
    if not self.services:has(name) then
      raise_test_failure("test " .. self.script, ("it calls the peer '%s', for which the test has no stand-in")
        :format(name), ("Add one to the test: services = function() return { %s = function(request) return 200, {} "
          .. "end } end"):format(hint.key(name)))
    end
  end
end

--- Open a bench: an emulator, and the stand-ins. It is closed with its variable.
---@param terms test.terms
---@param needs script.needs of the script, with the defaults of its arguments
---@param args table<string, script.argument> of the script
---@param folder string? of --scripts
---@return test.bench
function M.open(terms, needs, args, folder)
  local self = Bench { script = terms.script, args = args, folder = folder, folders = {} }
  self.services = services.start(terms.services and terms.services() or {})
  self.requests = self.services.requests
  local ok, err = pcall(function()
    check_stand_ins(self, needs)
    self.stage = stage.open { scripts = folder }
    self.tenant, self.server = self.stage.tenant, self.stage.server
    write_configuration(self, needs)
  end)
  if ok then return self end
  self:close()
  error(err, 0)
end

--- End the emulator and the stand-ins. A second call does nothing.
function Bench:close()
  if self.stage then self.stage:close() end
  self.stage = nil
  self.services:close()
end

Bench.__close = Bench.close

return M
