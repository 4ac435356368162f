--- Lua files that a person wrote (a configuration, a script, a policy): compile them, and run them within bounds.

local fail = require "fail"
local sys = require "host.sys"

local M = {}

local INSTRUCTIONS = 10000000
local BYTES = 128 << 20
local UTF8_MARK = "\239\187\191"
local UTF16_MARKS = { ["\255\254"] = true, ["\254\255"] = true }
local SAVE_AS_UTF8 = "Save the file as UTF-8."

-- Why the text is not Lua source in UTF-8, and what to do; nil when it is.
local function check_source_encoding(text)
  if UTF16_MARKS[text:sub(1, 2)] then return "the file is UTF-16", SAVE_AS_UTF8 end
  if text:sub(1, 4) == "\27Lua" then return "the file is compiled Lua", "Name the file with the source text." end
  local _, wrong = utf8.len(text)
  if not wrong then return nil end
  local _, breaks = text:sub(1, wrong):gsub("\n", "")
  return ("line %d: the byte 0x%02X is not UTF-8"):format(breaks + 1, text:byte(wrong)), SAVE_AS_UTF8
end

-- The text without a byte order mark and without a first line that begins with "#": lua(1) skips them, too.
local function skip_bom_and_shebang(text)
  if text:sub(1, 3) == UTF8_MARK then text = text:sub(4) end
  return (text:gsub("^#[^\n]*", ""))
end

--- Compile the text of a file.
---@param text string
---@param chunk_name string as `load` takes it: "@moonlatch.lua"
---@param environment table<string, any> the globals of the file
---@return function? chunk, string? why it cannot be compiled, string? fix
function M.compile(text, chunk_name, environment)
  local why, fix = check_source_encoding(text)
  if why then return nil, why, fix end
  local chunk, message = load(skip_bom_and_shebang(text), chunk_name, "t", environment)
  if chunk then return chunk end
  return nil, message, "Correct the line named."
end

--- Call the chunk of a file that only describes something, as xpcall does, within the bounds for loading a file: ten
--- million instructions, 128 MiB of memory.
---@param handler fun(err: any): any
---@param chunk function
---@return boolean ok, any value or the error
function M.run_bounded(handler, chunk, ...)
  return sys.bounded(INSTRUCTIONS, BYTES, handler, chunk, ...)
end

local function keep_error(err) return err end

local function raise_bad_lua_file(file, why, fix)
  fail.raise { kind = "config", what = "load the file " .. file, why = why, fix = fix }
end

--- Evaluate a file that only describes something: source text only, the given names and no others, within the bounds
--- of `run_bounded`. Returns the value that the file returns. Raises "config".
---@param text string
---@param file string for messages
---@param environment table<string, any> the names that the file may use
---@return any
function M.evaluate(text, file, environment)
  local chunk, why, fix = M.compile(text, "@" .. file, environment)
  if not chunk then raise_bad_lua_file(file, why, fix) end
  local ok, value = M.run_bounded(keep_error, chunk)
  if ok then return value end
  raise_bad_lua_file(file, tostring(value), "Write plain values only, without loops and calls of functions.")
end

return M
