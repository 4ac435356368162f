--- An emulator of one's own, the built program beside it, and a look behind the curtain.

local client = require "client"
local emulators = require "emulators"
local json = require "host.json"
local moonlatch = require "moonlatch"
local process = require "host.process"
local sys = require "host.sys"

local M = {}

---@class rehearsal
---@field place moonlatch.place
---@field child host.process.child
---@field ready table what the emulator said when it was ready
---@field client client? of its control page
local Rehearsal = { __name = "rehearsal" }
Rehearsal.__index = Rehearsal

function Rehearsal:__close()
  if self.client then self.client:close() end
  self.child:close()
  local _ <close> = self.place
end

local function arguments(place, directory, words)
  local list = { "/usr/bin/env", "HOME=" .. place.path }
  for _, name in ipairs { "ASAN_OPTIONS", "LSAN_OPTIONS" } do
    if os.getenv(name) then list[#list + 1] = name .. "=" .. os.getenv(name) end
  end
  local all = emulators.words(place.path .. directory, table.unpack(words))
  return table.move(all, 1, #all, #list + 1, list)
end

local function start(directory, ...)
  local place = moonlatch.place()
  local child = assert(process.start(arguments(place, directory, { ... })))
  local line = assert(child:line(20), "the emulator did not get ready")
  local self = setmetatable({ place = place, child = child, ready = assert(json.decode(line)) }, Rehearsal)
  self.config = self.ready.config
  return self
end

--- Start an emulator; it ends with its variable.
---@param ... string its options
---@return rehearsal
function M.new(...) return start("/emulator", ...) end

--- Start an emulator whose profile is the configuration of the home, so that no command takes --config.
---@param ... string its options
---@return rehearsal
function M.at_home(...) return start("/.config/moonlatch", ...) end

--- Ask the emulator's own page; the decoded answer.
---@param method string
---@param path string below /emulator
---@param body table?
---@return any
function Rehearsal:control(method, path, body)
  local text = self:control_text(method, path, body)
  return assert(json.decode(text == "" and "{}" or text))
end

--- The same as text, in which a secret can be read.
---@param method string
---@param path string
---@param body table?
---@return string
function Rehearsal:control_text(method, path, body)
  self.client = self.client or client.open(self.ready.ca)
  local _, text = assert(self.client:ask(method, self.ready.control .. path, { "Content-Type: application/json" },
    body and json.encode(body)))
  return text
end

--- How many requests with this method it was asked.
---@param method string
---@return integer
function Rehearsal:count(method)
  local count = 0
  for _, request in ipairs(self:control("GET", "/requests").requests) do
    count = count + (request.method == method and 1 or 0)
  end
  return count
end

--- What Graph says to a Global Administrator with every permission; all of a list.
---@param path string
---@return any
function Rehearsal:graph(path)
  local answer = self:control("GET", "/graph/v1.0" .. path)
  return answer.value or answer
end

--- What another admin does.
function Rehearsal:admin(what, ...)
  return assert(self:control("POST", "/tenant", { ["do"] = what, with = { ... } }).result)
end

--- Let time pass.
---@param span string "30d"
function Rehearsal:later(span) self:control("POST", "/clock", { advance = span }) end

--- Where the journal is.
---@return string
function Rehearsal:state() return self.config:match("^(.*)/") .. "/state" end

--- Have something go wrong.
---@param rule string
function Rehearsal:fault(rule)
  assert(self:control("POST", "/faults", { rule = rule }).result, rule)
end

--- Run the program on this emulator's profile.
---@param words string[]
---@param options table?
---@return moonlatch.outcome
function Rehearsal:run(words, options)
  local all = { table.unpack(words) }
  for _, word in ipairs { "--config", self.config } do all[#all + 1] = word end
  return self.place:run(all, options)
end

--- Run it on a terminal of its own and play a person: see moonlatch.place.
---@param words string[]
---@param talk string[]
---@param options table?
---@return string
function Rehearsal:talk(words, talk, options)
  local all = table.move(words, 1, #words, 1, {})
  for _, word in ipairs { "--config", self.config } do all[#all + 1] = word end
  return self.place:talk(all, talk, options)
end

--- The same with --json: status and the document.
---@return integer status, table document, moonlatch.outcome
function Rehearsal:json(words)
  local all = { table.unpack(words) }
  all[#all + 1] = "--json"
  local outcome = self:run(all)
  local document, message = json.decode(outcome.out)
  assert(document, ("no JSON (%s): %s\n%s"):format(tostring(message), outcome.out, outcome.err))
  return outcome.status, document, outcome
end

--- Change the profile: `edit(text)` gives the new text of the configuration.
---@param edit fun(text: string): string
function Rehearsal:configure(edit)
  local text = assert(sys.read(self.config, 65536))
  assert(sys.write(self.config, edit(text), "replace"))
end

return M
