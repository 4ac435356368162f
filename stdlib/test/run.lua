--- Run the cases of a test, each on a bench of its own.

local bench = require "test.bench"
local fail = require "fail"
local mistake = require "report.mistake"
local script = require "script.load"
local traceback = require "base.traceback"

local M = {}

---@class test.result
---@field what string the case
---@field holds boolean
---@field why string?
---@field where string? what was done when it failed, with the line of the test where there is one
---@field fix string?

local function add_needs(all, needs)
  for _, kind in ipairs { "files", "run" } do
    for _, name in ipairs(needs[kind] or {}) do table.insert(all[kind], name) end
  end
  for name, calls in pairs(needs.peers or {}) do all.peers[name] = calls end
end

-- What the script, and the scripts that its rules for notices name, need of the profile.
local function needs_of_script(declaration)
  local all = { files = {}, run = {}, peers = {} }
  add_needs(all, declaration.needs)
  for _, rule in ipairs(declaration.notices and declaration.notices.rules or {}) do
    add_needs(all, script.load(rule.to).needs)
  end
  return all
end

local function run_case(case, open)
  local ok, err = xpcall(function()
    local t <close> = open()
    case.run(t)
  end, traceback.keep)
  if ok then return { what = case.what, holds = true } end
  if fail.is(err, "interrupted") then error(err, 0) end
  local failure = fail.is(err) and err or mistake.failure(err)
  return { what = case.what, holds = false, where = failure.what, why = failure.why, fix = failure.fix }
end

--- Run all cases.
---@param terms test.terms
---@param folder string? of --scripts
---@param tell fun(result: test.result) called after each case
---@return test.result[]
function M.run(terms, folder, tell)
  local declaration, results = script.load(terms.script), {}
  local needs = needs_of_script(declaration)
  local function open() return bench.open(terms, needs, declaration.args, folder) end
  for i, case in ipairs(terms.cases) do
    results[i] = run_case(case, open)
    tell(results[i])
  end
  return results
end

return M
