--- What each target was told, kept in the journal, with the notices that are not delivered yet. It is kept beside the
--- audit chain: where it is lost, findings are told once more.

local commit = require "journal.commit"
local crypto = require "host.crypto"
local json = require "json"
local log = require "log"
local sets = require "base.sets"

local M = {}

local NAME = "notices/"

-- The arguments as one text that does not depend on their order.
local function arguments_text(args)
  local parts = {}
  for _, name in ipairs(sets.sorted(args)) do parts[#parts + 1] = name .. "=" .. json.encode(args[name]) end
  return table.concat(parts, " ")
end

--- The target of a rule, for people: the script, and its arguments where it has some.
---@param rule notice.rule
---@return string
function M.target(rule)
  return (("%s %s"):format(rule.to, arguments_text(rule.args)):gsub("%s+", " "):gsub(" $", ""))
end

local function short_hash(text) return crypto.hex(crypto.digest("sha256", text)):sub(1, 16) end

-- Names are hashes, so that no file of rules has a name that another one begins with.
local function state_names_of(rules) return NAME .. short_hash(rules) .. "/" end

local function state_name(rules, rule) return state_names_of(rules) .. short_hash(M.target(rule)) end

--- What the target of a rule was told. Where that cannot be opened, it is as if nothing had been told.
---@param journal host.journal.journal
---@param rules string name of the file of rules
---@param rule notice.rule
---@param now number
---@return notice.state
function M.read(journal, rules, rule, now)
  local state, message = journal:kept(state_name(rules, rule))
  if message then
    log.warn(("what %s was told cannot be read, so it is told once more: %s"):format(M.target(rule), message))
  end
  return state or { target = M.target(rule), since = now, told = {}, outbox = {} }
end

--- Keep what the target of a rule was told. Durable when the call returns.
---@param journal host.journal.journal
---@param rules string
---@param rule notice.rule
---@param state notice.state
function M.keep(journal, rules, rule, state)
  journal:keep(state_name(rules, rule), state)
  commit.commit(journal)
end

--- The notices that are not delivered yet, by target, of all files of rules.
---@param journal host.journal.journal
---@return table<string, integer>
function M.undelivered(journal)
  local counts = {}
  for _, name in ipairs(journal:kept_names(NAME)) do
    local state = journal:kept(name)
    if state then counts[state.target] = (counts[state.target] or 0) + #state.outbox end
  end
  return counts
end

--- Drop what is kept of targets that the rules do not name any more.
---@param journal host.journal.journal
---@param terms notice.terms
---@return notice.state[] dropped those with notices that were not delivered
function M.drop_others(journal, terms)
  local names, dropped = {}, {}
  for _, rule in ipairs(terms.rules) do names[state_name(terms.name, rule)] = true end
  for _, name in ipairs(journal:kept_names(state_names_of(terms.name))) do
    if not names[name] then
      local state = journal:kept(name)
      if state and #state.outbox > 0 then dropped[#dropped + 1] = state end
      journal:keep(name, nil)
    end
  end
  commit.commit(journal)
  return dropped
end

return M
