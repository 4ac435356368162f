--- The built program as a person runs it: words in, exit status and texts out.

local sys = require "host.sys"

local M = {}

M.INSIDE = SOURCE .. "/tests/inside" -- a --stdlib that lets scripts and -e require all of the library

---@class moonlatch.place a private home that goes when its variable does
---@field path string
local Place = { __name = "place" }
Place.__index = Place

function Place:__close()
  assert(sys.remove_tree(self.path))
end

--- A new home.
---@return moonlatch.place
function M.place()
  return setmetatable({ path = assert(sys.temporary "moonlatch-spec-") }, Place)
end

local function quote(word)
  return "'" .. tostring(word):gsub("'", "'\\''") .. "'"
end

--- Put a file into the home; its path.
---@param name string
---@param text string|host.secret
---@return string
function Place:write(name, text)
  local path = self.path .. "/" .. name
  assert(sys.mkdir((path:match("^(.*)/"))))
  assert(sys.write(path, text, "replace"))
  return path
end

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

-- The environment, and nothing else of ours.
local function command_line(place, words, options)
  local list = { "env", "-i", quote("HOME=" .. place.path), "LANG=C.UTF-8", "PATH=/usr/bin:/bin" }
  for _, name in ipairs { "ASAN_OPTIONS", "LSAN_OPTIONS" } do
    if os.getenv(name) then list[#list + 1] = quote(name .. "=" .. os.getenv(name)) end
  end
  for _, setting in ipairs(options.env or {}) do list[#list + 1] = quote(setting) end
  for _, word in ipairs(options.before or {}) do list[#list + 1] = word end
  list[#list + 1] = quote(options.program or os.getenv "MOONLATCH")
  if options.inside then list[#list + 1] = "--stdlib " .. quote(M.INSIDE) end
  for _, word in ipairs(words) do list[#list + 1] = quote(word) end
  return table.concat(list, " ")
end

-- The output without the --config of these words in the commands that a person is told to run: the folder of a test's
-- configuration has another name each time. tests/spec/log_hint_spec.lua looks at what is left out here.
local function without_config(words, text)
  for i, word in ipairs(words) do
    if word == "--config" then
      local option = (" --config " .. words[i + 1]):gsub("%p", "%%%0")
      text = text:gsub("(moonlatch)" .. option, "%1"):gsub("(moonlatch %-%-profile %S+)" .. option, "%1")
    end
  end
  return text
end

---@class moonlatch.outcome
---@field status integer
---@field out string
---@field err string

--- Run it to its end; without a terminal, with `options.input` as its input.
---@param words string[]
---@param options { env: string[]?, input: string?, before: string[]?, seconds: integer?, program: string?,
--- inside: boolean?, whole: boolean? }? inside: scripts and -e may require all of the library; whole: leave --config in
--- the commands of the output
---@return moonlatch.outcome
function Place:run(words, options)
  options = options or {}
  local out, err = self.path .. "/.out", self.path .. "/.err"
  local input = self:write(".in", options.input or "")
  local line = ("cd %s && timeout %d %s <%s >%s 2>%s"):format(
    quote(self.path), options.seconds or 60, command_line(self, words, options), quote(input), quote(out), quote(err))
  local _, _, status = os.execute(line)
  local function told(path) return options.whole and slurp(path) or without_config(words, slurp(path)) end
  return { status = status, out = told(out), err = told(err) }
end

--- Run it on a terminal of its own and play a person: pairs of what to wait for and
--- what to type. What the terminal showed, with the status first (tests/terminal.py).
---@param words string[]
---@param talk string[]
---@param options { inside: boolean?, before: string[]? }? as for run
---@return string
function Place:talk(words, talk, options)
  options = options or {}
  local line = { "cd", quote(self.path), "&&", "python3", quote(SOURCE .. "/tests/terminal.py") }
  for _, word in ipairs(talk) do line[#line + 1] = quote(word) end
  for _, list in ipairs {
    { "--", "/usr/bin/env", "HOME=" .. self.path }, options.before or {}, { os.getenv "MOONLATCH" },
  } do
    for _, word in ipairs(list) do line[#line + 1] = quote(word) end
  end
  if options.inside then line[#line + 1] = "--stdlib " .. quote(M.INSIDE) end
  for _, word in ipairs(words) do line[#line + 1] = quote(word) end
  local pipe <close> = assert(io.popen(table.concat(line, " ")))
  return pipe:read "a"
end

return M
