--- Add one profile to a person's configuration file, without touching anything else in it.
---
--- The new text goes behind the brace of `profiles = {`, when the file is written as `return { … profiles = { … } … }`.
--- Evaluating the new text shows whether that was right: it must contain everything as before, and the new profile.

local fail = require "fail"
local profile_file = require "profile.file"
local sys = require "host.sys"

local M = {}

---------------------------------------------------------------------------
-- The place

local function after_quoted(text, at)
  local quote = text:sub(at, at)
  repeat
    at = at + 1
    local char = text:sub(at, at)
    if char == "\\" then at = at + 1 end
  until char == quote or char == ""
  return at + 1
end

local function after_long(text, at, level)
  local _, to = text:find("]" .. level .. "]", at, true)
  return to and to + 1 or #text + 1
end

-- Return the position behind the comment or the string that begins here; nil when none does.
local function skip(text, at)
  local level = text:match("^%-%-%[(=*)%[", at) or text:match("^%[(=*)%[", at)
  if level then return after_long(text, at, level) end
  if text:find("^%-%-", at) then return text:find("\n", at, true) or #text + 1 end
  if text:find("^[\"']", at) then return after_quoted(text, at) end
end

-- The words, braces and = outside of comments and strings, each with the position where it ends.
local function tokens(text)
  local at = 1
  return function()
    while at <= #text do
      local behind = skip(text, at)
      local token = not behind and (text:match("^[%a_][%w_]*", at) or text:match("^%S", at))
      at = behind or at + (token and #token or 1)
      if behind then token = '""' end
      if token and not (behind and text:find("^%-%-", behind)) then return token, at - 1 end
    end
  end
end

-- The position after `profiles = {` in the returned table; nil when there is none, or more than one.
local function brace_of(text)
  local depth, before, found, root = 0, {}, nil, false
  for token, to in tokens(text) do
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

--- The text with one more profile, or nil when the right place is not certain.
---@param text string
---@param profile string as `profile.template` makes it
---@return string?
function M.into(text, profile)
  local to = brace_of(text)
  if not to then return nil end
  local rest = text:match("^[ \t]*\n", to + 1) or text:match("^[ \t]*%-%-[^\n%[][^\n]*\n", to + 1)
  if rest then return text:sub(1, to) .. rest .. profile .. text:sub(to + 1 + #rest) end
  return text:sub(1, to) .. "\n" .. profile .. text:sub(to + 1)
end

---------------------------------------------------------------------------
-- Checking the result

local function is_same(a, b)
  if type(a) ~= "table" or type(b) ~= "table" then return a == b end
  for name, value in pairs(a) do
    if not is_same(value, b[name]) then return false end
  end
  for name in pairs(b) do
    if a[name] == nil then return false end
  end
  return true
end

-- Does the new text contain everything as before, and this profile? Unknown for tables that contain each other.
local function is_meant(before, text, file, name)
  local ok, after = pcall(profile_file.described, text, file)
  if not ok or after.profiles[name] == nil then return false end
  after.profiles[name] = nil
  local known, same = pcall(is_same, before, after)
  return known and same
end

--- The file's text with this profile added. Nil when the right place is not certain. Raises "conflict" when there is a
--- profile of that name.
---@param text string
---@param file string
---@param name string
---@param profile string
---@return string?
function M.added(text, file, name, profile)
  local before = profile_file.described(text, file)
  if before.profiles[name] ~= nil then
    fail.raise {
      kind = "conflict", what = ("add the profile '%s' to %s"):format(name, file),
      why = "there is a profile of that name", fix = "Nothing was changed. Choose another name: --profile NAME.",
    }
  end
  local added = M.into(text, profile)
  return added and is_meant(before, added, file, name) and added or nil
end

---------------------------------------------------------------------------
-- Writing

local function raise_unwritten(file, why, kept)
  fail.raise {
    kind = "config", what = "write the configuration " .. file, why = why,
    fix = kept and ("As it was before it lies in %s."):format(kept)
      or "Nothing was changed. See what is there, then run it again.",
  }
end

--- Write the new text in place of the old one. A copy of the old one exists until the new one is in place. Owner and
--- mode of the file stay, and so does a symbolic link that leads to it.
---@param file string
---@param old string the text that was read
---@param new string
function M.write(file, old, new)
  local kept = file .. ".before"
  local ok, why = sys.write(kept, old, "new")
  if not ok then raise_unwritten(file, why) end
  if profile_file.read(file) ~= old then
    sys.remove(kept)
    raise_unwritten(file, "somebody else has changed it meanwhile")
  end
  ok, why = sys.write(file, new, "edit")
  if not ok or profile_file.read(file) ~= new then
    raise_unwritten(file, why or "it does not hold what was written", kept)
  end
  sys.remove(kept)
end

return M
