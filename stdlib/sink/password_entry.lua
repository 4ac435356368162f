--- The entries of Devolutions Server that hold users' passwords: their names, tags and descriptions.

local markers = require "journal.marker"
local server = require "devolutions.server"
local time = require "time"

local M = {}

--- The tags of the entries that hold current and pending values.
M.CURRENT, M.PENDING = "moonlatch-password", "moonlatch-password-pending"

--- The name of an account's pending entry, different for each place, because a vault may refuse entries of equal names.
---@param name string of the account
---@param place integer from 1
---@return string
function M.pending_name(name, place)
  return place == 1 and name .. " (pending)" or ("%s (pending %d)"):format(name, place)
end

--- The account's name, from the name of a pending entry.
---@param name string
---@return string
function M.account_name(name)
  return name:match("^(.*) %(pending%)$") or name:match("^(.*) %(pending %d+%)$") or name
end

---------------------------------------------------------------------------
-- Descriptions

local VALUE = "%((" .. markers.PATTERN .. ")/(%d+)%)"
local LINE = "Password kept by Moonlatch " .. VALUE .. "([^,]*), in force since ([%d:TZ-]+)%."
local PENDING_LINE = "Pending since ([%d:TZ-]+) for (%x[%x-]+): "

local function parse_entry_date(text)
  local ok, moment = pcall(time.parse, text)
  return ok and moment or nil
end

--- Read from a description which rotation wrote the current entry, when its value came into force, and the account.
---@param description any
---@return string? marker, number? since, string? user object id
function M.parse_current(description)
  local marker, _, user, since = tostring(description or ""):match(LINE)
  return marker, parse_entry_date(since), user and user:match("^ for (%x[%x-]+)$")
end

--- The description of a current entry.
---@param user string object id
---@param marker string
---@param number integer
---@param since number when the value came into force
---@return string
function M.current_line(user, marker, number, since)
  return ("Password kept by Moonlatch (%s) for %s, in force since %s.")
    :format(markers.of_value(marker, number), user, time.iso(since))
end

--- The description of a pending entry.
---@param user string object id
---@param marker string
---@param number integer
---@param now number
---@return string
function M.pending_line(user, marker, number, now)
  return ("Pending since %s for %s: may be in force already (%s). Moonlatch removes it when it is known which password "
    .. "is."):format(time.iso(now), user, markers.of_value(marker, number))
end

--- Replace our line in a description; text that a person wrote there stays.
---@param description any
---@param line string
---@return string
function M.replace_line(description, line)
  local text = type(description) == "string" and description or ""
  local from, to = text:find(LINE)
  if from then return text:sub(1, from - 1) .. line .. text:sub(to + 1) end
  return text == "" and line or text .. "\n" .. line
end

---------------------------------------------------------------------------
-- Entries as they are listed

local UNTAGGED = "there is an entry of this name without the tag moonlatch-password: tag it to have its password "
  .. "replaced"

--- The object id of the account for which a pending entry was written. Nil when its description has none.
---@param entry devolutions.entry
---@return string?
function M.pending_user(entry)
  local _, user = tostring(entry.description or ""):match(PENDING_LINE)
  return user
end

--- A pending entry.
---@param entry devolutions.entry
---@return sink.passwords.entry
function M.pending(entry)
  local marker, number = markers.find_value(entry.description)
  local since, user = tostring(entry.description or ""):match(PENDING_LINE)
  return { id = entry.id, name = entry.name, marker = marker, number = number,
    since = parse_entry_date(since), user = user, modified = entry.modifiedOn }
end

--- An entry that holds, or may hold, a value in force.
---@param entry devolutions.entry
---@return sink.passwords.entry
function M.current(entry)
  local marker, since, user = M.parse_current(entry.description)
  return { id = entry.id, name = entry.name, foreign = not server.has_tag(entry, M.CURRENT) and UNTAGGED or nil,
    marker = marker, since = since, user = user, modified = entry.modifiedOn }
end

return M
