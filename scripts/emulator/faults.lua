--- What goes wrong on request. A rule is a line:
---
---   [PEER] METHOD PATH KIND[:ARGUMENT] [COUNT] [@NTH]
---
---   POST /applications/*/addPassword drop-after      once, after it was applied
---   login POST /*/oauth2/v2.0/token 503:2 3          three times, Retry-After: 2
---   graph GET /users** stale:30 always               as it was 30 s ago
---   * /** drop-before @7                             the seventh request of all
---   * /** hold-after @7                              it is applied and never answered
---
--- PEER is login, graph or devolutions; without it any. METHOD may be *, or !GET
--- for any but that. In PATH a * stands for anything within a segment, ** for anything; Graph's version is
--- not part of it. COUNT is how often (1), or "always". @NTH skips the first
--- matches. A KIND is one of those below, or a status from 400 to 599, whose
--- argument is the Retry-After.

local log = require "log"

local M = {}

local PEERS = { login = true, graph = true, devolutions = true }
local BIG = 10 << 20
local PAGE = "<html><head><title>503</title></head><body><h1>The service is unavailable.</h1></body></html>"

local function spoilt(status, kind, body)
  return { status = status, headers = { ["Content-Type"] = kind }, body = body }
end

--- Answers in place of the service: the request is not carried out.
---@type table<string, fun(): httpd.answer>
local BEFORE = {
  ["drop-before"] = function() return { how = "drop" } end,
  ["hold-before"] = function() return { how = "hold" } end,
}

--- Changes to the request.
---@type table<string, fun(request: table, argument: integer?)>
local PREPARE = {
  stale = function(request, argument) request.stale = argument or 60 end,
}

--- Changes to the answer of a request that was carried out.
---@type table<string, fun(answer: httpd.answer, argument: integer?): httpd.answer>
local AFTER = {
  ["drop-after"] = function() return { how = "drop" } end,
  ["hold-after"] = function() return { how = "hold" } end,
  cut = function(answer, argument)
    answer.how, answer.bytes = "cut", argument
    return answer
  end,
  html = function(_, argument) return spoilt(argument or 200, "text/html", PAGE) end,
  garbage = function(answer) return spoilt(answer.status, "application/json", "{\"value\": [\0\xff\xfe}") end,
  big = function(answer) return spoilt(answer.status, "application/json", '{"value":"' .. ("x"):rep(BIG) .. '"}') end,
  empty = function(answer) return spoilt(answer.status, "application/json", "") end,
  slow = function(answer, argument)
    answer.wait = (answer.wait or 0) + (argument or 1000) / 1000
    return answer
  end,
}

---@class emulator.faults.rule
---@field text string
---@field peer string?
---@field method string
---@field pattern string
---@field kind string
---@field argument integer?
---@field left number how often it still applies
---@field skip integer matches that pass before the rule applies
---@field hits integer

local function pattern_of(path)
  local pattern = path:gsub("[%^%$%(%)%%%.%[%]%+%-%?]", "%%%0")
  pattern = pattern:gsub("%*%*", "\0"):gsub("%*", "[^/]*"):gsub("%z", ".*")
  return "^" .. pattern .. "$"
end

local function is_kind(name)
  return BEFORE[name] or PREPARE[name] or AFTER[name] or name:match("^[45]%d%d$")
end

local function words_of(text)
  local words = {}
  for word in text:gmatch("%S+") do words[#words + 1] = word end
  return words
end

local function read_times(rule, words)
  for i = 4, #words do
    local nth, count = words[i]:match("^@(%d+)$"), words[i]:match("^%d+$")
    if nth then
      rule.skip = tonumber(nth) - 1
    elseif count or words[i] == "always" then
      rule.left = tonumber(count) or math.huge
    else
      return ("fault %q: %q is neither a count, \"always\" nor @NTH"):format(rule.text, words[i])
    end
  end
end

--- The names of the kinds of faults, for messages and help.
---@return string
function M.kinds()
  local names = {}
  for _, kinds in ipairs { BEFORE, PREPARE, AFTER } do
    for name in pairs(kinds) do names[#names + 1] = name end
  end
  table.sort(names)
  return table.concat(names, ", ")
end

--- Read one rule.
---@param text string
---@return emulator.faults.rule|nil rule, string? message
function M.parse(text)
  local words = words_of(text)
  local peer = PEERS[words[1]] and table.remove(words, 1) or nil
  if #words < 3 or words[2]:sub(1, 1) ~= "/" then
    return nil, ("fault %q: a rule reads [PEER] METHOD /PATH KIND[:ARGUMENT] [COUNT] [@NTH]"):format(text)
  end
  local kind, argument = words[3]:match("^([%w-]+):?(%d*)$")
  if not kind or not is_kind(kind) then
    return nil, ("fault %q: no kind %q; there are %s, and statuses from 400 to 599"):format(text, words[3], M.kinds())
  end
  local rule = {
    text = text, peer = peer, method = words[1], pattern = pattern_of(words[2]), kind = kind,
    argument = math.tointeger(tonumber(argument)), left = 1, skip = 0, hits = 0,
  }
  local message = read_times(rule, words)
  if message then return nil, message end
  return rule
end

---@class emulator.faults
---@field rules emulator.faults.rule[]
local Faults = { __name = "emulator.faults" }
Faults.__index = Faults

---@return emulator.faults
function M.new()
  return setmetatable({ rules = {} }, Faults)
end

--- Add a rule.
---@param text string
---@return boolean|nil ok, string? message
function Faults:add(text)
  local rule, message = M.parse(text)
  if not rule then return nil, message end
  self.rules[#self.rules + 1] = rule
  return true
end

--- Forget all rules.
function Faults:clear()
  self.rules = {}
end

local function is_method(rule, method)
  if rule.method:sub(1, 1) == "!" then return rule.method ~= "!" .. method end
  return rule.method == "*" or rule.method == method
end

local function matches(rule, peer, method, path)
  return rule.left > 0 and (not rule.peer or rule.peer == peer) and is_method(rule, method)
    and path:find(rule.pattern) ~= nil
end

--- The rule for this request, if there is one; the rule counts as used.
---@param peer string
---@param method string
---@param path string
---@return emulator.faults.rule?
function Faults:take(peer, method, path)
  local plain = peer == "graph" and path:gsub("^/v1%.0", ""):gsub("^/beta", "") or path
  for _, rule in ipairs(self.rules) do
    if matches(rule, peer, method, plain) then
      if rule.skip == 0 then
        rule.left, rule.hits = rule.left - 1, rule.hits + 1
        log.detail(("fault: %s %s: %s"):format(method, plain, rule.text))
        return rule
      end
      rule.skip = rule.skip - 1
    end
  end
end

--- The rules and how often each was used.
---@return {rule: string, hits: integer, left: number|string}[]
function Faults:list()
  local list = {}
  for i, rule in ipairs(self.rules) do
    list[i] = { rule = rule.text, hits = rule.hits, left = rule.left == math.huge and "always" or rule.left }
  end
  return list
end

--- Answer a request under a rule.
---@param rule emulator.faults.rule
---@param request table
---@param handle fun(request: table): httpd.answer the service itself
---@param refuse fun(status: integer): httpd.answer a refusal in the service's words
---@return httpd.answer
function M.apply(rule, request, handle, refuse)
  local status = math.tointeger(tonumber(rule.kind))
  if status then
    local answer = refuse(status)
    answer.headers["Retry-After"] = rule.argument and tostring(rule.argument)
    return answer
  end
  if BEFORE[rule.kind] then return BEFORE[rule.kind]() end
  if PREPARE[rule.kind] then PREPARE[rule.kind](request, rule.argument) end
  local answer = handle(request)
  return AFTER[rule.kind] and AFTER[rule.kind](answer, rule.argument) or answer
end

return M
