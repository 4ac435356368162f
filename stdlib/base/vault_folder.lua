--- The spelling of a folder in a vault: the one form that is used everywhere, and whether two spellings mean the same
--- folder.
---
--- "\" separates folders; a Lua string writes it twice. It is unknown whether Devolutions Server distinguishes upper
--- and lower case in folder names, so two names that differ only in case count as one folder.

local fail = require "fail"
local lower_case = require "base.lower_case"

local M = {}

local ESCAPES = { [7] = "a", [8] = "b", [9] = "t", [10] = "n", [11] = "v", [12] = "f", [13] = "r" }

-- Characters that a terminal does not show, or that control the terminal: control characters, direction marks, joiners.
local INVISIBLE = { { 0x00, 0x1f }, { 0x7f, 0x9f }, { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
  { 0xfeff, 0xfeff } }

local function is_invisible_character(code)
  for _, range in ipairs(INVISIBLE) do
    if code >= range[1] and code <= range[2] then return true end
  end
  return false
end

-- The escape sequence of a character in a Lua string: "\t".
local function escape_character(code)
  if code >= 0x80 then return ("\\u{%X}"):format(code) end
  return "\\" .. (ESCAPES[code] or ("%d"):format(code))
end

-- The text with escape sequences for its invisible characters, and the first of these sequences.
local function show_invisible_characters(text)
  local letters, first = {}, nil
  for _, code in utf8.codes(text) do
    local invisible = is_invisible_character(code)
    first = first or invisible and escape_character(code) or nil
    letters[#letters + 1] = invisible and escape_character(code) or utf8.char(code)
  end
  return table.concat(letters), first
end

local function join_folder(parts) return table.concat(parts, "\\") end

local function split_folder(text)
  local parts = {}
  for part in text:gmatch("[^\\]+") do
    part = part:match("^%s*(.-)%s*$")
    if part ~= "" then parts[#parts + 1] = part end
  end
  return parts
end

-- A sentence that says how to write the folder that the text probably means, in a Lua file and in a shell.
local function folder_spelling_advice(text)
  local meant = join_folder(split_folder((text:gsub("/", "\\"))))
  return ("Write it as \"%s\" or [[%s]] in a file, '%s' in a shell."):format(meant:gsub("\\", "\\\\"), meant, meant)
end

---------------------------------------------------------------------------
-- Checking a folder

local NOT_UTF8 = "it is not UTF-8; in Lua, \\ and digits mean a byte"

--- Why the text cannot be the name of a vault; nil when it can. The name of a vault has no invisible characters.
---@param text string
---@return string? wrong, string? fix
function M.check_vault_name(text)
  if not utf8.len(text) then return NOT_UTF8, "Write each \\ twice, or the name as [[Name]]." end
  local _, invisible = show_invisible_characters(text)
  if not invisible then return nil end
  return ("it contains an invisible character (%s in a Lua string)"):format(invisible),
    "Remove that character, and write each \\ twice."
end

-- What is wrong with a folder, and how to write the folder; nil when nothing is wrong.
local function folder_problem(text)
  local wrong = M.check_vault_name(text)
  if wrong == NOT_UTF8 then return wrong, "Write each \\ twice, or the folder as [[Entra\\Tier0]]." end
  if wrong then return wrong, folder_spelling_advice(show_invisible_characters(text)) end
  if text:find("/", 1, true) then return "folders are separated by \\", folder_spelling_advice(text) end
end

--- Why the text cannot be a folder, and how to write the folder; nil when the text is right.
---@param text string
---@return string? wrong, string? fix
function M.check(text) return folder_problem(text) end

--- The standard spelling of a folder: no "\" at the ends, no "\" twice in a row, no blanks around a name. Raises
--- "usage" for a text that cannot be a folder.
---@param text string? nil and "" are the vault itself
---@return string
function M.canonical(text)
  local why, fix = folder_problem(text or "")
  if why then
    local name = utf8.len(text) and show_invisible_characters(text) or "…"
    fail.raise { kind = "usage", what = ('use the folder "%s"'):format(name), why = why, fix = fix }
  end
  return join_folder(split_folder(text or ""))
end

---------------------------------------------------------------------------
-- Comparing folders

--- A key that is equal for two spellings of one folder, the spelling of a server included.
---@param text any the vault itself when it is no string
---@return string
function M.key(text) return type(text) == "string" and lower_case(join_folder(split_folder(text))) or "" end

--- Do both texts mean the same folder?
---@param one any
---@param other any
---@return boolean
function M.is_same(one, other) return one == other or M.key(one) == M.key(other) end

--- The vault and the folder to use: those that were asked for, else those of the profile, else the vault "Default" and
--- no folder.
---@param asked { vault: string?, path: string? }
---@param devolutions profile.devolutions? of the profile
---@return string vault
---@return string? path
function M.vault_and_folder(asked, devolutions)
  local defaults = devolutions or {}
  return asked.vault or defaults.vault or "Default", asked.path or defaults.path
end

return M
