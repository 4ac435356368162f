--- What the program makes of a far side that misbehaves (tests/misdeeds.py), for
--- each of its kinds of calls, and what it says about it.

local json = require "host.json"

local M = {}

-- Runs in the program: WHAT, then names of misdeeds, one call for each. What
-- would be waited for half a minute is given up soon when asked to `hurry`.
M.SCRIPT = [==[
local fail, graph, json, oauth = require "fail", require "graph", require "json", require "oauth.sign_in"
local profile, server, task = require "profile.current", require "devolutions.server", require "task"
local what, hurry, names = ...
local settings = profile.current()

local function with(table, member, value)
  local twin = {}
  for name, one in pairs(table) do twin[name] = one end
  twin[member] = value
  return twin
end

local calls = {
  graph = function(name) return graph.get("/users/misdeed-" .. name) end,
  token = function(name) return oauth.sign_in(with(settings, "tenant", "misdeed-" .. name)) end,
  login = function(name)
    server.login(with(settings, "devolutions", with(settings.devolutions, "app_key", "misdeed-" .. name)))
  end,
  vault = function(name) return server.entries("misdeed-" .. name, {}) end,
}

local function is_slow(name) return name:find("^stall") or name:find("^drip") or name == "endless_extension" end

if what == "graph" then oauth.credential() elseif what == "vault" then server.login(settings) end
for name in names:gmatch("%S+") do
  local ok, err
  if hurry == "hurry" and is_slow(name) then
    ok, err = pcall(task.within, 0.4, calls[what], name)
  else
    ok, err = pcall(calls[what], name)
  end
  local said = { name = name, ok = ok, error = not ok and tostring(err) or nil }
  if fail.is(err) then said.kind, said.what, said.why, said.fix = err.kind, err.what, err.why, err.fix end
  print(json.encode(said))
end
]==]

-- Kinds that may come of a misdeed; "config" or "usage" would blame the person.
local KINDS = {}
for kind in ("network bad_answer transient throttled auth denied refused timeout"):gmatch("%S+") do
  KINDS[kind] = true
end

-- What does no harm and is understood: the answer counts. With Graph, {} is a
-- good answer; for the others it is none.
local HARMLESS = { graph = {}, token = {}, login = {}, vault = {} }
for name in ("long_text many_arrays many_numbers many_objects"):gmatch("%S+") do
  for _, list in pairs(HARMLESS) do list[name] = true end
end
for name in ([[cookie deflate early_hints empty gzip gzip_twice long_member many_members ok repeats_all_ok same_lengths
  trailer two_answers]]):gmatch("%S+") do
  HARMLESS.graph[name] = true
end

---@class misdeeds.outcome
---@field name string
---@field ok boolean
---@field kind string?
---@field what string?
---@field why string?
---@field fix string?
---@field error string?

--- Run the program against these misdeeds.
---@param tap tap
---@param what "graph"|"token"|"login"|"vault"
---@param names string[]
---@param options { hurry: boolean?, before: string[]?, seconds: number? }?
---@return misdeeds.outcome[], moonlatch.outcome
function M.run(tap, what, names, options)
  options = options or {}
  local file = tap.place:write("misdeeds.lua", M.SCRIPT)
  local words = { "run", file, what, options.hurry and "hurry" or "wait", table.concat(names, " ") }
  local outcome = tap:run(words, { before = options.before, seconds = options.seconds, inside = true })
  local list = {}
  for line in outcome.out:gmatch("[^\n]+") do
    local value = json.decode(line)
    if value then list[#list + 1] = value end
  end
  return list, outcome
end

--- Is this a failure a person can act on, or no failure where none is due? Raises when not.
---@param outcome misdeeds.outcome
---@param what string
function M.check(outcome, what)
  local text = ("%s %s: %s"):format(what, outcome.name, outcome.error or "no failure")
  if outcome.ok then
    assert(HARMLESS[what][outcome.name], text)
    return
  end
  assert(KINDS[outcome.kind], text .. "\nkind " .. tostring(outcome.kind))
  for _, member in ipairs { "what", "why", "fix" } do
    local said = outcome[member]
    assert(said and said:find("%S"), text .. "\nno " .. member)
    assert(not said:find("stack traceback", 1, true), text)
  end
  assert(#outcome.why < 2000, text)
end

--- The lists as one.
---@param ... string[]
---@return string[]
function M.joined(...)
  local all = {}
  for _, list in ipairs { ... } do table.move(list, 1, #list, #all + 1, all) end
  return all
end

return M
