--- Plans in files: `plan --out FILE` writes one, and `apply FILE` makes exactly its changes, or nothing. The file holds
--- no secret. It names the tenant, the script and its text, so that it fits nothing else.

local agreed = require "workflow.agreed"
local crypto = require "host.crypto"
local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local path_fix = require "machine.path_fix"
local sys = require "host.sys"
local time = require "time"

local M = {}

local FORMAT = "plan of moonlatch, version 1"
local LIMIT = 1 << 20 -- bytes of a file

---@class workflow.saved_plan
---@field format string
---@field made_at string
---@field tenant string
---@field script string as the command line named it
---@field script_digest string SHA-256 of its text, in hex
---@field args table
---@field changes workflow.agreed

local function digest(text) return crypto.hex(crypto.digest("sha256", text)) end

local function raise_unusable(path, why, fix)
  fail.raise { kind = "usage", what = "read the saved plan " .. path, why = why,
    fix = fix or hint.text("Make a new one: {moonlatch} plan SCRIPT --out %s", path) }
end

--- Is this word of a command line the path of a saved plan?
---@param word string
---@return boolean
function M.is_path(word) return word:find("%.plan$") ~= nil end

--- Write a plan to a new file, which only its owner can read. Raises "usage" when the file exists or its name does not
--- end in ".plan", and "config" when it cannot be written.
---@param path string
---@param plan { tenant: string, script: string, text: string, args: table, result: workflow.result }
function M.write(path, plan)
  local what = "save the plan to " .. path
  if not M.is_path(path) then
    fail.raise { kind = "usage", what = what, why = "the name of a saved plan ends in .plan",
      fix = ("Name it %s.plan."):format(path) }
  end
  if sys.stat(path) then
    fail.raise { kind = "usage", what = what, why = "the file exists", fix = "Name a new file." }
  end
  local ok, message = sys.write(path, json.encode {
    format = FORMAT, made_at = time.iso(time.now()), tenant = plan.tenant, script = plan.script,
    script_digest = digest(plan.text), args = plan.args, changes = json.array(agreed.of(plan.result)),
  } .. "\n", "new")
  if ok then return end
  fail.raise { kind = "config", what = what, why = message or "the file cannot be written",
    fix = path_fix.write(path, "name another file") }
end

--- Read a saved plan. Raises "usage" for a file that is none.
---@param path string
---@return workflow.saved_plan
function M.read(path)
  local text, message = sys.read(path, LIMIT)
  if not text then raise_unusable(path, message or "it cannot be read") end
  local ok, plan = pcall(json.decode, text)
  if not ok or type(plan) ~= "table" or plan.format ~= FORMAT or type(plan.changes) ~= "table"
    or type(plan.script) ~= "string" or type(plan.args) ~= "table" then
    raise_unusable(path, "it is not a plan that this version of Moonlatch saved")
  end
  return plan
end

--- Check that the plan is for this tenant and this text of the script. Raises "usage".
---@param plan workflow.saved_plan
---@param path string
---@param tenant string
---@param text string of the script
function M.check_origin(plan, path, tenant, text)
  if plan.tenant ~= tenant then
    raise_unusable(path, ("it is for the tenant %s, and the profile is of %s"):format(plan.tenant, tenant),
      "Name the profile of that tenant with --profile.")
  end
  if plan.script_digest ~= digest(text) then
    raise_unusable(path, ("the script %s has changed since"):format(plan.script))
  end
end

--- Check that a plan made now has the same changes. Raises "conflict" with the differences.
---@param plan workflow.saved_plan
---@param path string
---@param result workflow.result of mode "plan"
function M.check_unchanged(plan, path, result)
  local differences = agreed.differences(plan.changes, agreed.of(result))
  if #differences == 0 then return end
  fail.raise { kind = "conflict", code = "not_planned", what = "apply the saved plan " .. path,
    why = ("the tenant has changed since %s: %s"):format(plan.made_at, table.concat(differences, "; ")),
    fix = hint.text("Nothing was changed. Look at a new plan: {moonlatch} plan %s --out FILE", plan.script) }
end

return M
