--- Forms that a person fills in. A mistake in a form is told to the person.

local secret = require "secret.emulator"

local M = {}

--- Refuse what the person did.
---@param text string
function M.refuse(text, ...)
  error(text:format(...), 0)
end

--- The object of this name; refuses when there is none.
---@generic T
---@param list table<string, T>
---@param kind string "provider"
---@param name any
---@return T
function M.there(list, kind, name)
  return list[name] or M.refuse("there is no %s %q", kind, tostring(name))
end

--- Refuse a form in which one of these fields is empty.
---@param fields table
---@param ... string
function M.given(fields, ...)
  for _, name in ipairs { ... } do
    if fields[name] == nil or fields[name] == "" then M.refuse("the field %q is empty", name) end
  end
end

--- The secret that was pasted into a field.
---@param value any
---@return host.secret
function M.pasted(value)
  return secret.is(value) and value or secret.from(tostring(value))
end

return M
