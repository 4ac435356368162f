--- The emulator with tests/tap.py before it: the built program talks to the tap
--- as it would to the emulator, and everything said is written down.

local emulators = require "emulators"
local json = require "host.json"
local moonlatch = require "moonlatch"
local process = require "host.process"
local sys = require "host.sys"

local M = {}

---@class tap
---@field directory string with moonlatch.lua, wire.jsonl and strays
---@field config string
---@field place moonlatch.place where the program runs
---@field plain string[] misdeeds of any server
---@field answers string[] misdeeds in what is said
---@field tokens string[] misdeeds of a token's answer
---@field sessions string[] misdeeds of a login's answer
---@field stray_tls integer port where nobody should come
---@field stray_plain integer
local Tap = { __name = "tap" }
Tap.__index = Tap

local function ready_of(arguments, seconds)
  local child = assert(process.start(arguments))
  return child, (assert(child:line(seconds)))
end

--- Start both.
---@param options string[]? of the emulator
---@param fronts table<string, integer>? ports by peer, where something else stands before the tap
---@return tap
function M.start(options, fronts)
  local place = moonlatch.place()
  local folder = place.path .. "/emulator"
  local words = emulators.words(folder, "--lag", "0", table.unpack(options or {}))
  local emulator, line = ready_of(words, 30)
  local directory = place.path .. "/tap"
  assert(sys.mkdir(directory))
  local tapping = { "/usr/bin/python3", "-B", SOURCE .. "/tests/tap.py", directory, line }
  if fronts then tapping[#tapping + 1] = json.encode(fronts) end
  local child, ready = ready_of(tapping, 30)
  local tap = assert(json.decode(ready))
  tap.place, tap.emulator, tap.child = place, emulator, child
  return setmetatable(tap, Tap)
end

--- End both; what they wrote goes with them.
function Tap:close()
  self.child:close()
  self.emulator:close()
  local _ <close> = self.place
end
Tap.__close = Tap.close

--- Run the program with the tap's configuration.
---@param words string[]
---@param options table? of moonlatch.place's run
---@return moonlatch.outcome
function Tap:run(words, options)
  return self.place:run({ "--config", self.config, table.unpack(words) }, options)
end

local function slurp(path)
  local file <close> = io.open(path)
  return file and file:read("a") or ""
end

--- Who came where nobody should, and what they said.
---@return { how: string, said: string }[]
function Tap:strays()
  local list = {}
  for line in slurp(self.directory .. "/strays"):gmatch("[^\n]+") do list[#list + 1] = json.decode(line) end
  return list
end

--- Have requests answered by misdeeds: lines "PEER METHOD PATTERN NAME", the pattern
--- for path, a space and the body.
---@param rules string[]
function Tap:rules(rules)
  assert(sys.write(self.directory .. "/rules", table.concat(rules, "\n"), "replace"))
end

--- What was said so far, as the program saw it.
---@return { peer: string, method: string, path: string, headers: string[][], body: string, status: integer }[]
function Tap:wire()
  local list = {}
  for line in slurp(self.directory .. "/wire.jsonl"):gmatch("[^\n]+") do list[#list + 1] = json.decode(line) end
  return list
end

--- Have Graph's "/v1.0/NAME" answered by a page with this next link, and the
--- discovery of the tenant NAME by this token endpoint.
---@param links table<string, any>
function Tap:links(links)
  assert(sys.write(self.directory .. "/links.json", json.encode(links), "replace"))
end

return M
