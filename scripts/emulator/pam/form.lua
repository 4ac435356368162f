--- Forms that a person fills in: what is wrong in one is told, not raised as a bug.

local secret = require "secret.emulator"

local M = {}

--- Refuse what the person did.
---@param text string
function M.refuse(text, ...)
  error(text:format(...), 0)
end

--- The thing of this name, or a refusal.
---@generic T
---@param list table<string, T>
---@param kind string "provider"
---@param name any
---@return T
function M.there(list, kind, name)
  return list[name] or M.refuse("there is no %s %q", kind, tostring(name))
end

--- Refuse a form with one of these fields left empty.
---@param fields table
---@param ... string
function M.given(fields, ...)
  for _, name in ipairs { ... } do
    if fields[name] == nil or fields[name] == "" then M.refuse("the field %q is empty", name) end
  end
end

--- What was pasted into a field for a secret.
---@param value any
---@return host.secret
function M.pasted(value)
  return secret.is(value) and value or secret.from(tostring(value))
end

return M
