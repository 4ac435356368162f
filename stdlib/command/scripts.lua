--- moonlatch scripts: list scripts; show one; copy one to edit it; run the test beside one.

local actions = require "cli.actions"
local copies = require "script.copies"
local difference = require "script.difference"
local fail = require "fail"
local folders = require "script.folders"
local hint = require "log.hint"
local json = require "host.json"
local layout = require "terminal.layout"
local log = require "log"
local new_file = require "machine.new_file"
local report = require "report"
local report_failure = require "report.failure"
local script = require "script.load"
local sys = require "host.sys"
local term = require "host.term"
local test_declaration = require "test.declaration"

local LOAD_SECONDS = 2 -- of processor time, to load one script

local UNLISTED = "\0" -- in place of the summary of a file that is no script to run: a module, a test

local function load_script_summary(name)
  local ok, declaration = pcall(script.load, name)
  if ok then return (declaration.test or declaration.rehearsal) and UNLISTED or declaration.summary end
  local why = fail.is(declaration) and declaration.why or tostring(declaration)
  return why == script.IS_MODULE and UNLISTED or "does not load: " .. why:match "^[^\n]*"
end

-- The summary of a script, or UNLISTED. A person's script is loaded in a process of its own, so that a broken script
-- does not stop the list.
local function summary_of_script(found)
  if found.origin == "bundled" then return load_script_summary(found.name) end
  local text, why = sys.apart(function() return load_script_summary(found.name) end, LOAD_SECONDS)
  return text or "does not load: " .. why
end

local function list_scripts()
  local rows = {}
  for _, name in ipairs(script.names()) do
    local found = script.find(name)
    local origin = found.origin .. (copies.outdated_origin(found) and ", the bundled one has changed" or "")
    local summary = summary_of_script(found)
    if summary ~= UNLISTED then
      rows[#rows + 1] = { name = name, origin = origin, summary = summary, path = found.path }
    end
  end
  report.table(rows, { "name", "origin", "summary" })
end

local function show_script(name, options)
  local found = options.bundled and copies.require_bundled_original(name) or script.find(name)
  if log.json() then return report.json { name = name, path = found.path, origin = found.origin, text = found.text } end
  copies.tell_replacement(found)
  term.write("out", found.text)
end

local function copy_script(name)
  local found = script.find(name)
  local path = ("%s/%s.lua"):format(folders.own(), name)
  sys.mkdir((path:match("^(.*)/")))
  new_file.write(path, found.text, {
    what = ("copy %s to %s"):format(name, path), exists = "Edit that file; or move it away first, for a new copy.",
  })
  copies.record_origin(name)
  log.prose(("%s: edit it. It is found before the bundled one."):format(path))
end

-- A person's own script of this name. Raises "usage" when there is none.
local function require_own_script(name, what)
  local found = script.find(name)
  if found.origin ~= "bundled" then return found end
  fail.raise {
    kind = "usage", what = ("%s %s"):format(what, name), why = "you have no copy of it",
    fix = hint.text("Make a copy first: {moonlatch} scripts copy %s", name),
  }
end

local function print_script_difference(name)
  local found = require_own_script(name, "scripts diff")
  local lines = difference.lines(copies.require_bundled_original(name).text, found.text)
  if log.json() then return report.json { name = name, path = found.path, lines = lines } end
  if #lines == 0 then return log.prose("They are the same.") end
  log.prose(("- the bundled one\n+ %s"):format(found.path))
  for _, line in ipairs(lines) do
    local styles = { ["-"] = "red", ["+"] = "green" }
    local style = styles[line:sub(1, 1)]
    log.say(style and log.style(style, line) or line)
  end
end

local function keep_script_copy(name)
  local found = require_own_script(name, "scripts keep")
  copies.record_origin(copies.require_bundled_original(name).name)
  log.prose(("%s stays as it is. You are told when the bundled one changes again."):format(found.path))
end

---------------------------------------------------------------------------
-- Testing

local function raise_no_test(name, test)
  fail.raise {
    kind = "usage", what = "test " .. name, why = ("there is no test of it: %s"):format(test),
    fix = hint.text "Write one; `{moonlatch} new script NAME` makes a script with a test beside it, to copy from.",
  }
end

-- The declaration of the test beside a script, or of the test itself.
local function load_test(name)
  local declaration = script.load(name)
  if declaration.test or declaration.rehearsal then return declaration end
  local test = test_declaration.name_beside(name)
  local ok, found = pcall(script.find, test)
  if not ok and not fail.is(found, "usage") then error(found, 0) end
  return ok and script.load_found(found) or raise_no_test(name, test)
end

local function tell_test_result(result)
  if log.json() then return end
  if result.holds then return log.say(log.style("green", "✓ ") .. result.what) end
  log.say(log.style("red", "✗ ") .. result.what)
  log.prose(("    %s: %s"):format(result.where, result.why))
  if result.fix then log.prose("    " .. result.fix) end
end

local function test_script(name, options)
  local declaration = load_test(name)
  if declaration.rehearsal then return require("command.rehearse").run { policy = name, scripts = options.scripts } end
  if not declaration.test then
    fail.raise { kind = "config", what = "test " .. name, why = "the file beside it is no test",
      fix = 'Let it return test { … }: local test = require "test".' }
  end
  local results, failed = require("test.run").run(declaration.test, options.scripts, tell_test_result), 0
  for _, result in ipairs(results) do failed = failed + (result.holds and 0 or 1) end
  if log.json() then
    report.json { script = declaration.test.script, cases = json.array(results), status = failed > 0 and 1 or 0 }
  else
    log.say(("%s: %s, %d failed"):format(declaration.test.script, layout.count(#results, "case"), failed))
  end
  return failed > 0 and 1 or 0
end

---------------------------------------------------------------------------
-- Looking

-- The names of a person's own scripts.
local function own_script_names()
  local names = {}
  for _, name in ipairs(script.names()) do
    if script.find(name).origin ~= "bundled" then names[#names + 1] = name end
  end
  return names
end

local function tell_lint_result(result)
  if result.failure then return log.error(report_failure.text(result.failure)) end
  if #result.remarks == 0 then return log.note(("%s: nothing to remark"):format(result.name)) end
  log.say(result.name)
  for _, remark in ipairs(result.remarks) do
    log.prose(("  %s %s: %s\n    %s"):format(log.style("yellow", "!"), remark.where, remark.why, remark.fix))
  end
end

local function lint_result_table(result)
  return { name = result.name, remarks = json.array(result.remarks),
    failure = result.failure and report_failure.table(result.failure) or nil }
end

-- Exit status: 1 when a script does not load, 3 when there are remarks.
local function lint_scripts(name)
  local status, list = 0, json.array {}
  for i, one in ipairs(name and { name } or own_script_names()) do
    local result = require("script.lint").look(one)
    if result.failure then status = 1 elseif #result.remarks > 0 and status == 0 then status = 3 end
    list[i] = lint_result_table(result)
    if not log.json() then tell_lint_result(result) end
  end
  if log.json() then report.json { scripts = list, status = status }
  elseif #list == 0 then log.note "There are no scripts of yours to look at." end
  return status
end

---@type table<string, cli.action>
local ACTIONS = {
  list = { run = list_scripts }, show = { run = show_script, names = "NAME" },
  copy = { run = copy_script, names = "NAME" },
  diff = { run = print_script_difference, names = "NAME" }, keep = { run = keep_script_copy, names = "NAME" },
  test = { run = test_script, names = "NAME" }, lint = { run = lint_scripts, names = "[NAME]" },
}
local ORDER = { "list", "show", "copy", "diff", "keep", "test", "lint" }

local function run_scripts_command(options)
  return actions.choose("scripts", ACTIONS, ORDER, options.action, options.name).run(options.name, options) or 0
end

---@type cli.command
return {
  summary = "list scripts; show one; copy one to edit it; test and check one",
  details = "Your copy is found before the bundled script of its name. When a later version changes the bundled\n"
    .. "script, you are told: `diff` shows the difference, and `keep` says that you have seen it. Modules,\n"
    .. "which scripts require, and tests are not listed. `test` runs the test beside a script (NAME_test.lua) on a\n"
    .. "private emulator; of a policy, its rehearsal. Exit status 1 when a case failed.\n"
    .. "`lint` looks at a script, or at all of yours, without running them and without a tenant: what does not\n"
    .. "load (exit status 1), and what is probably not meant (3).",
  usage = "[list | show NAME | copy NAME | diff NAME | keep NAME | test NAME | lint [NAME]] [options]",
  arguments = {
    { name = "action", help = "list (the default), show, copy, diff, keep, test or lint", optional = true,
      complete = ORDER },
    { name = "name", help = "name of the script", optional = true, complete = "scripts" },
  },
  options = { { name = "--bundled", help = "with show: show the bundled script, not your copy" } },
  examples = {
    "moonlatch scripts", "moonlatch scripts show setup/entra-pam-provider",
    "moonlatch scripts copy setup/entra-pam-provider      # then edit it",
    "moonlatch scripts diff setup/entra-pam-provider      # what is different in yours",
    "moonlatch scripts test stale-passwords               # run its test, without a tenant",
    "moonlatch scripts lint policies/weekly               # is anything in it probably not meant?",
  },

  run = run_scripts_command,
}
