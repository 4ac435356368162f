--- Add one profile to a person's configuration file, and leave all other text in it unchanged.
---
--- The new profile is inserted after the brace of `profiles = {`, when the file is written as
--- `return { … profiles = { … } … }`. The new text is then evaluated: it must have all values of the old text, and the
--- new profile.

local fail = require "fail"
local hint = require "log.hint"
local profile_file = require "profile.file"
local tokens = require "profile.tokens"

local M = {}

---------------------------------------------------------------------------
-- Finding the position

-- The position after `profiles = {` in the returned table; nil when there is none, or more than one.
local function find_profiles_brace(text)
  local depth, before, found, root = 0, {}, nil, false
  for token, _, to in tokens.each(text) do
    if token == "{" then
      if depth == 0 then root = before[1] == "return" end
      if depth == 1 and root and before[1] == "=" and before[2] == "profiles" then
        if found then return nil end
        found = to
      end
      depth = depth + 1
    elseif token == "}" then
      depth = depth - 1
    end
    before = { token, before[1] }
  end
  return found
end

--- Insert a profile into the text of a configuration. Returns nil when the position is not certain.
---@param text string
---@param profile string the text that `profile.template` makes
---@return string?
function M.insert_after_brace(text, profile)
  local to = find_profiles_brace(text)
  if not to then return nil end
  local rest = text:match("^[ \t]*\n", to + 1) or text:match("^[ \t]*%-%-[^\n%[][^\n]*\n", to + 1)
  if rest then return text:sub(1, to) .. rest .. profile .. text:sub(to + 1 + #rest) end
  return text:sub(1, to) .. "\n" .. profile .. text:sub(to + 1)
end

---------------------------------------------------------------------------
-- Checking the result

local function is_equal_table(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for name, value in pairs(a) do
    if not is_equal_table(value, b[name]) then return false end
  end
  for name in pairs(b) do
    if a[name] == nil then return false end
  end
  return true
end

-- Does the new text have all values of the old text, and this profile, and nothing else? False when that cannot be
-- told, as with tables that contain each other.
local function has_only_new_profile(before, text, file, name)
  local ok, after = pcall(profile_file.evaluate, text, file)
  if not ok or after.profiles[name] == nil then return false end
  after.profiles[name] = nil
  local known, same = pcall(is_equal_table, before, after)
  return known and same
end

--- The text of a configuration with this profile added; nil when the position is not certain. Raises "conflict" when
--- there is a profile of that name.
---@param text string
---@param file string
---@param name string
---@param profile string
---@return string?
function M.add_profile(text, file, name, profile)
  local before = profile_file.evaluate(text, file)
  if before.profiles[name] ~= nil then
    fail.raise {
      kind = "conflict", what = ("add the profile '%s' to %s"):format(name, file),
      why = "there is a profile of that name",
      fix = hint.text "Nothing was changed. Choose another name: {moonlatch} init --tenant TENANT --profile NAME",
    }
  end
  local added = M.insert_after_brace(text, profile)
  return added and has_only_new_profile(before, added, file, name) and added or nil
end

return M
