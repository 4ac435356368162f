--- Add one profile to a person's configuration file, and leave all other text in it unchanged.
---
--- The new profile is inserted after the brace of `profiles = {`, when the file is written as
--- `return { … profiles = { … } … }`. The new text is then evaluated: it must have all values of the old text, and the
--- new profile.

local fail = require "fail"
local hint = require "log.hint"
local path_fix = require "machine.path_fix"
local profile_file = require "profile.file"
local sys = require "host.sys"

local M = {}

---------------------------------------------------------------------------
-- Finding the position

local function position_after_quoted(text, at)
  local quote = text:sub(at, at)
  repeat
    at = at + 1
    local char = text:sub(at, at)
    if char == "\\" then at = at + 1 end
  until char == quote or char == ""
  return at + 1
end

local function position_after_long_bracket(text, at, level)
  local _, to = text:find("]" .. level .. "]", at, true)
  return to and to + 1 or #text + 1
end

-- The position after the comment or the string that begins here; nil when none begins here.
local function skip_comment_or_string(text, at)
  local level = text:match("^%-%-%[(=*)%[", at) or text:match("^%[(=*)%[", at)
  if level then return position_after_long_bracket(text, at, level) end
  if text:find("^%-%-", at) then return text:find("\n", at, true) or #text + 1 end
  if text:find("^[\"']", at) then return position_after_quoted(text, at) end
end

-- An iterator over the words and signs of a Lua text, without comments; a string gives `""`. The second value is the
-- position where the word or sign ends.
local function tokens_of_configuration(text)
  local at = 1
  return function()
    while at <= #text do
      local behind = skip_comment_or_string(text, at)
      local token = not behind and (text:match("^[%a_][%w_]*", at) or text:match("^%S", at))
      at = behind or at + (token and #token or 1)
      if behind then token = '""' end
      if token and not (behind and text:find("^%-%-", behind)) then return token, at - 1 end
    end
  end
end

-- The position after `profiles = {` in the returned table; nil when there is none, or more than one.
local function find_profiles_brace(text)
  local depth, before, found, root = 0, {}, nil, false
  for token, to in tokens_of_configuration(text) do
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

---------------------------------------------------------------------------
-- Writing the configuration

local function raise_configuration_unwritten(file, why, fix, backup)
  fail.raise {
    kind = "config", what = "write the configuration " .. file, why = why,
    fix = backup and ("Bring the former text back: mv '%s' '%s'. Then run the same command again."):format(backup, file)
      or fix,
  }
end

--- Replace the text of a file. A copy of the old text exists until the new text is in place. Owner and mode of the file
--- stay as they are, and so does a symbolic link to the file.
---@param file string
---@param old string the text that was read
---@param new string
function M.write(file, old, new)
  local backup = file .. ".before"
  local ok, why, kind = sys.write(backup, old, "new")
  if not ok then
    raise_configuration_unwritten(file, why, "Nothing was changed. " .. (kind == "exists"
      and ("Compare it with %s, remove it, then run the same command again."):format(file) or path_fix.write(backup)))
  end
  if profile_file.read(file) ~= old then
    sys.remove(backup)
    raise_configuration_unwritten(file, "another program changed it meanwhile",
      "Nothing was changed. Run the same command again: it reads the file anew.")
  end
  ok, why = sys.write(file, new, "edit")
  if not ok or profile_file.read(file) ~= new then
    raise_configuration_unwritten(file, why or "it does not hold what was written", nil, backup)
  end
  sys.remove(backup)
end

return M
