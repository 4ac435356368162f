--- Check the contents of a test file when it is loaded, and make the declaration of a script from them. Scripts use the
--- interface `test`.

local fail = require "fail"
local schema = require "base.schema"

local M = {}

---@class test.stand_in.request what a stand-in of a service gets
---@field method string
---@field path string as sent, percent-encoded, without the query
---@field query table<string, string>
---@field body any of JSON; a secret in it is a secret value

---@class test.terms the checked contents of a test file
---@field script string name or path of the script
---@field cases { what: string, run: fun(t: test.bench) }[]
---@field services nil|fun(): table<string, fun(request: test.stand_in.request): integer, any> makes the stand-ins of
--- one case: name of the peer -> function that answers a request with a status and a body

local mark, is = schema.declaration_kind "test"

--- Mark a table as a test.
---@param fields table
---@return table
function M.mark(fields) return mark(fields) end

--- Is the value a table that was marked as a test?
---@param value any
---@return boolean
function M.is(value) return is(value) end

local RULE = {
  type = "table",
  members = {
    summary = { type = "string", required = true },
    script = { type = "string", check = function(value)
      if value:sub(1, 1) == "-" then return "it is no name of a script", "Write the name or the path of a script." end
    end },
    services = { type = "function" },
    cases = {
      type = "table", required = true,
      each = { type = "table", members = {
        what = { type = "string", required = true }, run = { type = "function", required = true },
      } },
    },
  },
}

--- The name of a script's test: "mine_test" for "mine", "./mine_test.lua" for "./mine.lua".
---@param name string
---@return string
function M.name_beside(name)
  local path = name:match "^(.*)%.lua$"
  return path and path .. "_test.lua" or name .. "_test"
end

-- The script that the test is beside: the reverse of name_beside.
local function script_beside(found)
  local path = found.name:match "^(.*)_test%.lua$"
  local name = path and path .. ".lua" or found.name:match "^(.*)_test$"
  if name then return name end
  fail.raise {
    kind = "config", what = found.path .. ": script", why = "it is missing: which script is tested",
    fix = 'Write script = "NAME" into the test, or call the file NAME_test.lua.',
  }
end

--- Check a test, and make the declaration of a script from it. Raises "config" for a test that is wrong.
---@param found { name: string, path: string }
---@param value table as `test { … }` made it
---@return script.declaration
function M.declare(found, value)
  local fields = schema.copy_fields(value)
  schema.check(found.path, "", fields, RULE)
  if #fields.cases == 0 then
    fail.raise { kind = "config", what = found.path .. ": cases", why = "there is none, so nothing is tested",
      fix = 'Write cases = { { what = "…", run = function(t) … end } }.' }
  end
  local terms = { script = fields.script or script_beside(found), cases = fields.cases, services = fields.services }
  return { id = found.name, summary = fields.summary, args = {}, needs = {}, test = terms }
end

return M
