--- The settings of a profile as a list, for a person: each value, and where it comes from. Secrets are never in it.

local line_numbers = require "profile.line_numbers"
local profile_file = require "profile.file"
local sets = require "base.sets"
local source = require "profile.source"

local M = {}

---@class profile.setting
---@field name string "sign_in.method"
---@field value string
---@field from "file"|"default"
---@field line integer? of the file, when it is certain

-- An address without what follows its host, because the path of a webhook is its secret.
local function origin_of_address(url)
  local origin, rest = url:match "^(%a+://[^/]+)(.*)$"
  return (rest == "" or rest == "/") and url or origin .. "/…"
end

-- A program without its arguments, because one of them may be a secret.
local function describe_program(words)
  local text = words[1]
  if #words > 1 then text = text .. (" and %d more words"):format(#words - 1) end
  return text .. (words.confirms and ", confirms" or "")
end

local function describe_write_budget(budget)
  return ("%d changes in %d s"):format(budget.writes, budget.seconds)
end

local function is_list_of_strings(value) return #value > 0 and type(value[1]) == "string" end

-- The text of a value that is one setting; nil for a table whose members are settings.
local function text_of_value(path, value)
  if path:match "^peers%.[^.]+%.url$" and type(value) == "string" then return origin_of_address(value) end
  if type(value) ~= "table" then return tostring(value) end
  if value.word then return source.describe(value) end
  if path:match "^programs%.[^.]+$" then return describe_program(value) end
  if is_list_of_strings(value) then return table.concat(value, ", ") end
end

-- `given`: the value that the file has there; nil when it has none.
local function add_settings(list, path, value, given, line_of)
  local text = text_of_value(path, value)
  if text then
    list[#list + 1] = { name = path, value = text, from = given == nil and "default" or "file",
      line = given ~= nil and line_of(path) or nil }
    return
  end
  for _, key in ipairs(sets.sorted(value)) do
    local is_table = type(given) == "table"
    add_settings(list, path == "" and key or path .. "." .. key, value[key], is_table and given[key] or nil, line_of)
  end
end

-- The folder of the state; why it is not known, when HOME is not set.
local function state_of_profile(profile)
  local ok, state = pcall(function() return profile.state end)
  return ok and state or "unknown: " .. state.why
end

-- Put into the settings what only the profile has: absolute paths, and defaults that are made.
local function complete_settings(settings, profile)
  settings.state, settings.folders = state_of_profile(profile), profile.folders
  if profile.write_budget then settings.write_budget = describe_write_budget(profile.write_budget) end
  if type(settings.cloud) == "table" then settings.cloud.ca = profile.ca end
  if type(settings.emulator) == "table" then settings.emulator.clock = profile.clock end
  for name, peer in pairs(profile.peers) do settings.peers[name].ca = peer.ca end
end

--- The settings of a profile, sorted by name, and the profile. Raises "config".
---@param text string of the configuration
---@param file string
---@param wanted string? the name of the profile
---@return profile.setting[] settings, profile profile
function M.list(text, file, wanted)
  local profile, settings = profile_file.from_text(text, file, wanted)
  local given = profile_file.evaluate(text, file).profiles[profile.name]
  local lines, list = line_numbers.of(text), {}
  complete_settings(settings, profile)
  local function line_of(path) return lines[("profiles.%s.%s"):format(profile.name, path)] end
  add_settings(list, "", settings, given, line_of)
  return list, profile
end

return M
