--- Small letters for Latin, Greek and Cyrillic capitals, which Lua's string.lower leaves as they are.

-- First and last capital letter of a range, and the distance to its small letters: Latin, Greek, Cyrillic.
local CAPITALS = { { 0x41, 0x5a, 32 }, { 0xc0, 0xd6, 32 }, { 0xd8, 0xde, 32 }, { 0x391, 0x3a9, 32 },
  { 0x400, 0x40f, 80 }, { 0x410, 0x42f, 32 } }

local function lower_case_code(code)
  for _, range in ipairs(CAPITALS) do
    if code >= range[1] and code <= range[2] then return code + range[3] end
  end
  local is_pair = code >= 0x100 and code <= 0x137 or code >= 0x14a and code <= 0x177 -- even: a capital
  local is_odd_pair = code >= 0x139 and code <= 0x148 or code >= 0x179 and code <= 0x17e -- odd: a capital
  if is_pair and code % 2 == 0 or is_odd_pair and code % 2 == 1 then return code + 1 end
  return code
end

--- The text in small letters. A text that is not UTF-8 gets small letters for A to Z.
---@param text string
---@return string
local function lower_case(text)
  if not text:find("[\x80-\xff]") or not utf8.len(text) then return text:lower() end
  local letters = {}
  for _, code in utf8.codes(text) do letters[#letters + 1] = utf8.char(lower_case_code(code)) end
  return table.concat(letters)
end

return lower_case
