--- The spelling of a folder in a vault: the one form that is used everywhere, and whether two spellings mean the same
--- folder.
---
--- "\" separates folders; a Lua string writes it twice. It is unknown whether Devolutions Server distinguishes upper
--- and lower case in folder names, so two names that differ only in case count as one folder.

local fail = require "fail"

local M = {}

local ESCAPES = { [7] = "a", [8] = "b", [9] = "t", [10] = "n", [11] = "v", [12] = "f", [13] = "r" }

-- Characters that a terminal does not show, or obeys: control characters, and those that set direction or join.
local UNSEEN = { { 0x00, 0x1f }, { 0x7f, 0x9f }, { 0x200b, 0x200f }, { 0x2028, 0x202e }, { 0x2060, 0x206f },
  { 0xfeff, 0xfeff } }

local function is_unseen(code)
  for _, range in ipairs(UNSEEN) do
    if code >= range[1] and code <= range[2] then return true end
  end
  return false
end

-- An unseen character as a Lua string writes it: "\t".
local function escaped(code)
  if code >= 0x80 then return ("\\u{%X}"):format(code) end
  return "\\" .. (ESCAPES[code] or ("%d"):format(code))
end

-- The text with its unseen characters as Lua writes them, and the first of these.
local function shown(text)
  local letters, first = {}, nil
  for _, code in utf8.codes(text) do
    local unseen = is_unseen(code)
    first = first or unseen and escaped(code) or nil
    letters[#letters + 1] = unseen and escaped(code) or utf8.char(code)
  end
  return table.concat(letters), first
end

local function joined(parts) return table.concat(parts, "\\") end

local function parts_of(text)
  local parts = {}
  for part in text:gmatch("[^\\]+") do
    part = part:match("^%s*(.-)%s*$")
    if part ~= "" then parts[#parts + 1] = part end
  end
  return parts
end

-- What the text probably means, as a Lua file and a shell write it.
local function way_to_write(text)
  local meant = joined(parts_of((text:gsub("/", "\\"))))
  return ("Write it as \"%s\" or [[%s]] in a file, '%s' in a shell."):format(meant:gsub("\\", "\\\\"), meant, meant)
end

---------------------------------------------------------------------------
-- What may not be written

local NOT_UTF8 = "it is not UTF-8; in Lua, \\ and digits mean a byte"

--- Why the text is no name of a vault; nil when it is one. A name has no invisible characters.
---@param text string
---@return string? wrong
function M.check_name(text)
  if not utf8.len(text) then return NOT_UTF8 end
  local _, unseen = shown(text)
  if unseen then return ("%s in Lua means a character that cannot be seen, and that is in it"):format(unseen) end
end

-- What is wrong with a folder, and how to write it.
local function problem(text)
  local wrong = M.check_name(text)
  if wrong == NOT_UTF8 then return wrong, "Write each \\ twice, or the folder as [[Entra\\Tier0]]." end
  if wrong then return wrong, way_to_write(shown(text)) end
  if text:find("/", 1, true) then return "folders are separated by \\", way_to_write(text) end
end

--- Why the text is no folder, with the right way to write it; nil when it is one.
---@param text string
---@return string? wrong
function M.check(text)
  local why, fix = problem(text)
  return why and ("%s. %s"):format(why, fix)
end

--- The standard spelling of a folder: no "\" at its ends, none twice, no blanks around a name. Raises "usage" for any
--- other text.
---@param text string? nil and "" are the vault itself
---@return string
function M.canonical(text)
  local why, fix = problem(text or "")
  if why then
    local name = utf8.len(text) and shown(text) or "…"
    fail.raise { kind = "usage", what = ('use the folder "%s"'):format(name), why = why, fix = fix }
  end
  return joined(parts_of(text or ""))
end

---------------------------------------------------------------------------
-- The same folder

-- First and last capital letter, and how far the small one is: Latin, Greek, Cyrillic.
local CAPITALS = { { 0x41, 0x5a, 32 }, { 0xc0, 0xd6, 32 }, { 0xd8, 0xde, 32 }, { 0x391, 0x3a9, 32 },
  { 0x400, 0x40f, 80 }, { 0x410, 0x42f, 32 } }

local function small(code)
  for _, range in ipairs(CAPITALS) do
    if code >= range[1] and code <= range[2] then return code + range[3] end
  end
  local is_pair = code >= 0x100 and code <= 0x137 or code >= 0x14a and code <= 0x177 -- a capital, then its small one
  local is_odd_pair = code >= 0x139 and code <= 0x148 or code >= 0x179 and code <= 0x17e
  if is_pair and code % 2 == 0 or is_odd_pair and code % 2 == 1 then return code + 1 end
  return code
end

local function lower(text)
  if not text:find("[\x80-\xff]") or not utf8.len(text) then return text:lower() end
  local letters = {}
  for _, code in utf8.codes(text) do letters[#letters + 1] = utf8.char(small(code)) end
  return table.concat(letters)
end

--- A key that is equal for two spellings of one folder, also for the spelling of a server.
---@param text any the vault itself when it is no string
---@return string
function M.key(text) return type(text) == "string" and lower(joined(parts_of(text))) or "" end

--- Do both mean the same folder?
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
function M.chosen(asked, devolutions)
  local usual = devolutions or {}
  return asked.vault or usual.vault or "Default", asked.path or usual.path
end

return M
