--- Look at a script without running it: what does not load, and what loads and is probably not meant.

local fail = require "fail"
local permissions_needs = require "permissions.needs"
local policy_lint = require "policy.lint"
local script = require "script.load"
local sets = require "base.sets"

local M = {}

---@class script.lint.result
---@field name string
---@field failure Failure? why it does not load
---@field remarks policy.remark[]

local METHODS = { get = "GET", list = "GET", all = "GET", first = "GET", count = "GET", post = "POST", patch = "PATCH",
  put = "PUT", delete = "DELETE" }

---------------------------------------------------------------------------
-- Calls in the text

local CALLS = { 'graph%.(%l+)%s*%(?%s*"(/[^"?]*)"', 'graph%.(%l+)%s*%(%s*graph%.path%s*%(?%s*"(/[^"?]*)"' }

-- The text without comments.
local function without_comments(text)
  return (text:gsub("%-%-%[(=*)%[.-%]%1%]", ""):gsub("%-%-[^\n]*", ""))
end

-- The calls of Graph that stand in the text: "GET /users/{id}".
local function calls_in_text(text)
  local calls = {}
  for _, pattern in ipairs(CALLS) do
    for name, path in text:gmatch(pattern) do
      if METHODS[name] then
        calls[("%s %s%s"):format(METHODS[name], path, name == "count" and "/$count" or "")] = true
      end
    end
  end
  return sets.sorted(calls)
end

local function segments_of(path)
  local list = {}
  for segment in path:gmatch "[^/]+" do list[#list + 1] = segment end
  return list
end

-- Does a segment of a path fit a segment of a template: a literal, {id}, or applications(appId)?
local function is_segment_covered(wanted, given)
  local collection, key = wanted:match "^(.-)%((%w+)%)$"
  if collection then return given:find(("%s(%s="):format(collection, key), 1, true) == 1 end
  return wanted:find("{", 1, true) ~= nil and given:sub(1, 1) ~= "$" or wanted:lower() == given:lower()
end

-- May a call with this path be made by the declared template?
local function is_covered_by(template, path)
  local wanted, given = segments_of(template), segments_of(path)
  for i, segment in ipairs(wanted) do
    if segment == "*" or segment:find "^{[^}]*%+}$" then return given[i] ~= nil end
    if not given[i] or not is_segment_covered(segment, given[i]) then return false end
  end
  return #wanted == #given
end

local function declared_graph_calls(needs)
  local calls = {}
  local function add(list)
    for _, entry in ipairs(list or {}) do calls[#calls + 1] = permissions_needs.call(entry) end
  end
  add(needs.graph)
  for _, more in pairs(needs.when or {}) do add(more.graph) end
  return calls
end

local function is_declared(calls, call)
  local method, path = call:match "^(%u+) (.*)$"
  for _, declared in ipairs(calls) do
    if declared.method == method and is_covered_by(declared.path, path) then return true end
  end
  return false
end

local function add_undeclared_calls(remarks, declaration, text)
  local declared = declared_graph_calls(declaration.needs)
  for _, call in ipairs(calls_in_text(without_comments(text))) do
    if not is_declared(declared, call) then
      remarks[#remarks + 1] = { where = "needs.graph", why = ("the call '%s' is in the file, and not declared: it "
        .. "would be refused"):format(call), fix = ("Add %q to needs.graph."):format(call) }
    end
  end
end

---------------------------------------------------------------------------
-- The needs

local function add_unknown_permissions(remarks, needs)
  if not needs.graph or needs.scopes then return end
  for _, entry in ipairs(require("permissions.least").least(needs.graph).unknown) do
    remarks[#remarks + 1] = { where = "needs.graph", why = ("it is not known which permission '%s' needs, so a person "
      .. "is not asked for it"):format(entry), fix = 'Name it: scopes = { "…" } in `needs`.' }
  end
end

local function remarks_on(declaration, found)
  local remarks = declaration.policy and policy_lint.remarks(declaration.policy) or {}
  if declaration.run or declaration.tell or declaration.store then
    add_undeclared_calls(remarks, declaration, found.text)
    add_unknown_permissions(remarks, declaration.needs)
  end
  return remarks
end

--- Look at one script. Never raises for what is wrong with the script.
---@param name string name or path
---@return script.lint.result
function M.look(name)
  local found = script.find(name)
  local ok, declaration = pcall(script.load_found, found)
  if ok then return { name = name, remarks = remarks_on(declaration, found) } end
  if not fail.is(declaration) then error(declaration, 0) end
  if declaration.why == script.IS_MODULE then return { name = name, remarks = {} } end
  return { name = name, failure = declaration, remarks = {} }
end

return M
