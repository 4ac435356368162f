--- The history of the prompt, in a private file: one line for each entry. Values of secrets are masked before an entry
--- is kept.

local profile_file = require "profile.file"
local secret = require "host.secret"
local sys = require "host.sys"

local M = {}

local MOST = 1000 -- entries
local LIMIT = 4 << 20 -- bytes of the file

local MASKED = "[secret]"

-- The text in front of a secret that is written out: `password = "x"`, `["password"] = 'x'`, `secret.from [[x]]`.
local BEFORE = { "[Ss]ecret%.from%s*%(?%s*" }
for _, name in ipairs { "[Pp]assword", "[Ss]ecret", "[Ss]ecretText", "[Tt]oken", "[Tt]okenId" } do
  BEFORE[#BEFORE + 1] = "[%w_]*" .. name .. "%s*=%s*"
  BEFORE[#BEFORE + 1] = "[%w_]*" .. name .. "[\"']%s*%]%s*=%s*"
end

local function mask(text)
  for _, before in ipairs(BEFORE) do
    text = text:gsub("(" .. before .. ")([\"'])(.-)%2", "%1%2" .. MASKED .. "%2")
    text = text:gsub("(" .. before .. ")%[(=*)%[.-%]%2%]", "%1[%2[" .. MASKED .. "]%2]")
  end
  return text
end

--- The entry as it is kept: living secrets, and texts that are written as secrets, are masked.
---@param text string
---@return string
function M.clean(text)
  return mask(secret.redact(text))
end

local function encode(text)
  return (text:gsub("[\\\n\r]", { ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r" }))
end

local function decode(line)
  return (line:gsub("\\(.)", { ["\\"] = "\\", n = "\n", r = "\r" }))
end

--- The path of the file; nil without a home folder.
---@return string|nil
function M.path()
  local ok, folder = pcall(profile_file.state_folder)
  return ok and folder .. "/history" or nil
end

local function read(path)
  local entries, text = {}, sys.read(path, LIMIT)
  for line in (text or ""):gmatch("[^\n]+") do entries[#entries + 1] = decode(line) end
  return entries
end

local function write(path, entries)
  local lines = {}
  for place = math.max(1, #entries - MOST + 1), #entries do lines[#lines + 1] = encode(entries[place]) .. "\n" end
  sys.mkdir((path:match("^(.*)/")))
  return sys.write(path, table.concat(lines), "replace")
end

--- All entries, the oldest first.
---@return string[]
function M.load()
  local path = M.path()
  return path and read(path) or {}
end

--- Add an entry, unless it equals the last one. Another prompt may have added entries meanwhile.
---@param text string cleaned
---@return boolean|nil ok, string? message
function M.add(text)
  local path = M.path()
  if not path then return nil, "HOME is not set" end
  local entries = read(path)
  if entries[#entries] == text then return true end
  entries[#entries + 1] = text
  return write(path, entries)
end

return M
