--- Record what Graph and the login service answer, without what names anybody, for a person to look at and keep.

local fail = require "fail"
local http = require "http.client"
local json = require "host.json"
local log = require "log"
local path_fix = require "machine.path_fix"
local profiles = require "profile.current"
local sanitiser = require "doctor.sanitiser"
local sets = require "base.sets"
local sys = require "host.sys"
local term = require "host.term"
local time = require "time"

local M = {}

-- Headers that say something of the service. request-id and client-request-id are ids like others.
local HEADERS = { "cache-control", "client-request-id", "content-type", "date", "location", "odata-version",
  "preference-applied", "request-id", "retry-after", "vary", "www-authenticate", "x-ms-resource-unit" }

-- Of these, the ones that never name anything of a tenant.
local OWN_HEADERS = sets.of { "cache-control", "content-type", "date", "odata-version", "retry-after", "vary",
  "x-ms-resource-unit" }

local SANITISED = "ids, names, addresses and secrets are made up or masked (x, X, 0); members are sorted; a person"
  .. " looked at it before it was kept"

local PEERS = { graph = true, login = true }

local function body_of(request, clean)
  local text = request:body()
  if not text then return nil end
  local decoded = json.decode(text)
  if type(decoded) == "table" then return clean:value(decoded) end
  return clean:form(text)
end

local function headers_of(answer, clean)
  local headers = {}
  for _, name in ipairs(HEADERS) do
    local value = answer:header(name)
    if value and name == "location" then value = clean:url(value) end
    headers[name] = value and (OWN_HEADERS[name] and value or clean:sentence(value))
  end
  return headers
end

local function exchange_of(request, answer, clean)
  local body = answer:json()
  return {
    request = { method = request:method(), url = clean:url(request:url()), body = body_of(request, clean) },
    answer = {
      status = answer:status(), headers = headers_of(answer, clean),
      body = body ~= nil and clean:value(body) or json.null,
    },
  }
end

-- Call `run()` and note the exchanges meanwhile.
local function noted(run)
  local clean, list = sanitiser.new(profiles.current()), json.array {}
  local _ <close> = setmetatable({}, { __close = function() http.observe(nil) end })
  http.observe(function(request, answer)
    if PEERS[request:peer()] then list[#list + 1] = exchange_of(request, answer, clean) end
  end)
  return run(), list
end

local function check_terminal(folder)
  if term.is_terminal("in") and term.is_terminal("out") and not log.json() then return end
  fail.raise {
    kind = "usage", what = ("record the answers in '%s'"):format(folder),
    why = "a recording is shown before it is kept, and here is no terminal to show it on",
    fix = "Run the same command in a terminal window, without --json.",
  }
end

local function keep(folder, text)
  local path = ("%s/first-contact-%s.json"):format(folder, time.iso(time.now()):gsub("[:-]", ""))
  local ok, message = sys.mkdir(folder, true)
  if ok then ok, message = sys.write(path, text, "new") end
  if ok then return log.note("kept in " .. path) end
  fail.raise { kind = "config", what = "keep the recording in " .. path, why = message,
    fix = path_fix.write(path, "name another folder") }
end

--- Call `run()`, show what was answered meanwhile, and keep it in the folder when the person agrees.
---@param folder string
---@param run fun(): integer
---@return integer status of `run`
function M.of(folder, run)
  check_terminal(folder)
  local status, exchanges = noted(run)
  local text = json.encode({
    source = "moonlatch doctor --first-contact, " .. time.iso(time.now()), sanitised = SANITISED, exchanges = exchanges,
  }, true) .. "\n"
  term.write("out", "\n" .. text)
  local answer = term.read_line(("Keep this recording of %d answers in '%s'? Look for names first. [y/N] ")
    :format(#exchanges, folder))
  if answer and (answer:lower() == "y" or answer:lower() == "yes") then keep(folder, text)
  else log.note "nothing was kept" end
  return status
end

return M
