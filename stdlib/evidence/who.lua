--- Who changed something, when, and from where, as far as the directory's audit log still knows.

local audits = require "evidence.audits"
local graph_clock = require "graph.clock"
local reading = require "evidence.reading"
local store = require "evidence.store"
local task = require "task"
local time = require "time"

local M = {}

local DAY = 86400
local NEAR = 120 -- seconds between a change and its record, at most
local LATE = 3600 -- a record that is not there within an hour will hardly come
local SURELY_KEPT, KEPT = 7 * DAY, 30 * DAY -- by the log, without and with a licence
local PATIENCE = 15 -- seconds
local MOST_NAMED = 3

---@class evidence.who.asked
---@field object_id string of what was changed
---@field at number? when it was changed, by the directory; nil: the latest change
---@field kinds string[]? kinds of changes; nil: any
---@field except string? object id of who is not meant: ourselves
---@field added string? key id of the credential that was added
---@field removed string? key id of the credential that was removed

---@class evidence.explanation
---@field known boolean
---@field text string who did it, when and from where; or that this is not known, and why
---@field fix string? what would lift that
---@field changes evidence.change[] the changes that explain it, the nearest first

---------------------------------------------------------------------------
-- Which changes explain it

local function is_of_kind(change, kinds)
  if not kinds then return true end
  for _, kind in ipairs(kinds) do
    if change.kind == kind then return true end
  end
  return false
end

--- Is the key id among those that a change added or removed?
---@param key_ids string[]? in lower case
---@param key_id string
---@return boolean
function M.has_key(key_ids, key_id)
  for _, id in ipairs(key_ids or {}) do
    if id == key_id:lower() then return true end
  end
  return false
end

local function explains(change, asked)
  local is_near = not asked.at or math.abs(change.at - asked.at) <= NEAR
  local is_other = not asked.except or change.by.object_id ~= asked.except:lower()
  local is_of_key = (not asked.added or M.has_key(change.added, asked.added))
    and (not asked.removed or M.has_key(change.removed, asked.removed))
  return is_near and is_other and is_of_key and change.result == "success" and is_of_kind(change, asked.kinds)
end

-- Two records of one operation, or of one actor, say the same.
local function has_actor(list, change)
  for _, other in ipairs(list) do
    local by, also = change.by, other.by
    if by.kind == also.kind and by.object_id == also.object_id and by.name == also.name then return true end
  end
  return false
end

-- The changes that explain it: the nearest to the moment first, without one the newest; one for each actor.
local function choose(changes, asked)
  local fitting, chosen = {}, {}
  for _, change in ipairs(changes) do
    if explains(change, asked) then fitting[#fitting + 1] = change end
  end
  local function distance(change) return asked.at and math.abs(change.at - asked.at) or -change.at end
  table.sort(fitting, function(a, b)
    return distance(a) < distance(b) or distance(a) == distance(b) and a.id < b.id
  end)
  for _, change in ipairs(fitting) do
    if #chosen < MOST_NAMED and not has_actor(chosen, change) then chosen[#chosen + 1] = change end
    if not asked.at then break end
  end
  return chosen
end

---------------------------------------------------------------------------
-- In words

--- Name who made a change: "anna@contoso.com", "the application 'Devolutions PAM'".
---@param by evidence.actor
---@return string
function M.actor(by)
  if by.kind == "person" then return by.user_name or by.name or "the person with the object id " .. by.object_id end
  if by.kind == "application" then
    return by.name and ("the application '%s'"):format(by.name) or "the application with the service principal "
      .. by.object_id
  end
  return "somebody whom the log does not name"
end

--- A change in a clause: who did it, from where, when, and what the tenant calls it.
---@param change evidence.change
---@return string
function M.text(change)
  local from = change.by.address and " from " .. change.by.address or ""
  return ("%s did it%s, %s (%s)"):format(M.actor(change.by), from, time.iso(change.at), change.name:gsub("%s+$", ""))
end

local function known_as(changes)
  local parts = {}
  for i, change in ipairs(changes) do parts[i] = M.text(change) end
  return { known = true, text = table.concat(parts, "; and "), changes = changes }
end

local function unknown(why, fix)
  return { known = false, text = "who did it is not known: " .. why, fix = fix, changes = {} }
end

local function why_nothing_fits(asked, now)
  if not asked.at then return "the log of the last days has no such change; it may be older, or of the last minutes" end
  local age = now - asked.at
  if age > SURELY_KEPT then
    return "the log no longer has it, or never had: it keeps 7 days, and 30 with a licence Entra ID P1 or P2"
  elseif age < LATE then
    return "the log does not show it yet; its records come some minutes late"
  end
  return "the log has no such change at that time"
end

---------------------------------------------------------------------------
-- Asking

local function unread(gap)
  return unknown("the audit log could not be read (" .. gap.why .. ")", gap.fix)
end

local function read_changes(asked, now)
  local from = asked.at and asked.at - NEAR or now - KEPT
  local changes = {}
  for change in audits.read { target = asked.object_id, from = from, to = asked.at and asked.at + NEAR + 1 or now } do
    changes[#changes + 1] = change
  end
  return changes
end

--- Find out who changed an object. Asks the log, unless the store knows; for fifteen seconds at most. Raises
--- "interrupted" and "journal" only. Waits.
---@param journal host.journal.journal?
---@param asked evidence.who.asked
---@return evidence.explanation
function M.explain(journal, asked)
  local now = graph_clock.now()
  local kept = asked.at and choose(store.changes(journal, { target = asked.object_id }), asked) or {}
  if #kept > 0 then return known_as(kept) end
  if asked.at and now - asked.at > KEPT then return unknown(why_nothing_fits(asked, now)) end
  local ok, found = pcall(task.within, PATIENCE, read_changes, asked, now)
  if not ok then return unread(reading.gap(found)) end
  local changes = choose(found, asked)
  return #changes > 0 and known_as(changes) or unknown(why_nothing_fits(asked, now))
end

-- The changes of an object in the log; nil and the gap when it could not be read.
local function read_object(object_id)
  local ok, found = pcall(task.within, PATIENCE, read_changes, { object_id = object_id }, graph_clock.now())
  if ok then return found end
  return nil, reading.gap(found)
end

--- Explain several changes of one object, whenever they were, with one reading of the log at most: the function that is
--- returned asks the store first. It waits for fifteen seconds at most, and raises "interrupted" and "journal" only.
---@param journal host.journal.journal?
---@param object_id string
---@return fun(asked: { kinds: string[]?, added: string?, removed: string? }): evidence.explanation
function M.of_object(journal, object_id)
  local changes, gap
  return function(asked)
    local kept = choose(store.changes(journal, { target = object_id }), asked)
    if #kept > 0 then return known_as(kept) end
    if not changes and not gap then changes, gap = read_object(object_id) end
    if gap then return unread(gap) end
    local fitting = choose(changes, asked)
    return #fitting > 0 and known_as(fitting) or unknown(why_nothing_fits(asked))
  end
end

return M
