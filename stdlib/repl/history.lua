--- The history of the prompt, in a private file: one line for each entry. The values of secrets are masked before an
--- entry is stored.

local profile_file = require "profile.file"
local secret = require "host.secret"
local sys = require "host.sys"

local M = {}

local MOST_ENTRIES = 1000 -- entries
local MOST_BYTES = 4 << 20 -- bytes of the file

local MASKED = "[secret]"

-- Patterns of the text in front of a literal secret: `password = "x"`, `["password"] = 'x'`, `secret.from [[x]]`.
local PATTERNS_BEFORE_SECRET = { "[Ss]ecret%.from%s*%(?%s*" }
for _, name in ipairs { "[Pp]assword", "[Ss]ecret", "[Ss]ecretText", "[Tt]oken", "[Tt]okenId" } do
  PATTERNS_BEFORE_SECRET[#PATTERNS_BEFORE_SECRET + 1] = "[%w_]*" .. name .. "%s*=%s*"
  PATTERNS_BEFORE_SECRET[#PATTERNS_BEFORE_SECRET + 1] = "[%w_]*" .. name .. "[\"']%s*%]%s*=%s*"
end

local function mask_written_secrets(text)
  for _, before in ipairs(PATTERNS_BEFORE_SECRET) do
    text = text:gsub("(" .. before .. ")([\"'])(.-)%2", "%1%2" .. MASKED .. "%2")
    text = text:gsub("(" .. before .. ")%[(=*)%[.-%]%2%]", "%1[%2[" .. MASKED .. "]%2]")
  end
  return text
end

--- Mask the secrets in an entry: the values of secrets in memory, and texts that are written as secrets.
---@param text string
---@return string
function M.mask_secrets(text)
  return mask_written_secrets(secret.redact(text))
end

local function encode_history_entry(text)
  return (text:gsub("[\\\n\r]", { ["\\"] = "\\\\", ["\n"] = "\\n", ["\r"] = "\\r" }))
end

local function decode_history_entry(line)
  return (line:gsub("\\(.)", { ["\\"] = "\\", n = "\n", r = "\r" }))
end

--- The path of the file; nil without a home folder.
---@return string|nil
function M.path()
  local ok, folder = pcall(profile_file.state_folder)
  return ok and folder .. "/history" or nil
end

local function read_history(path)
  local entries, text = {}, sys.read(path, MOST_BYTES)
  for line in (text or ""):gmatch("[^\n]+") do entries[#entries + 1] = decode_history_entry(line) end
  return entries
end

local function write_history(path, entries)
  local lines = {}
  for place = math.max(1, #entries - MOST_ENTRIES + 1), #entries do
    lines[#lines + 1] = encode_history_entry(entries[place]) .. "\n"
  end
  sys.mkdir((path:match("^(.*)/")))
  return sys.write(path, table.concat(lines), "replace")
end

--- All entries, the oldest first.
---@return string[]
function M.load()
  local path = M.path()
  return path and read_history(path) or {}
end

--- Add an entry, unless it equals the last one. Another prompt may have added entries meanwhile.
---@param text string with masked secrets
---@return boolean|nil ok, string? message
function M.add(text)
  local path = M.path()
  if not path then return nil, "HOME is not set" end
  local entries = read_history(path)
  if entries[#entries] == text then return true end
  entries[#entries + 1] = text
  return write_history(path, entries)
end

return M
