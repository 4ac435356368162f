--- The state of a hand-over as lines for a person.

local handover_terminal = require "handover.terminal"
local layout = require "terminal.layout"
local time = require "time"

local M = {}

local TO = { cloud = "Devolutions Cloud", server = "Devolutions Server" }

--- The consumer of the client secret, in words.
---@param state handover.state
---@return string
function M.consumer(state)
  return TO[state.consumer] or ("what signs in as '%s'"):format(state.name)
end

local function add(lines, text, ...)
  lines[#lines + 1] = select("#", ...) > 0 and text:format(...) or text
end

local function dates(one, now)
  if not one.ends then return "its expiry date is unknown" end
  if one.ends <= now then return ("expired on %s, %s ago"):format(time.day(one.ends), time.span(now - one.ends)) end
  return ("until %s, another %s"):format(time.day(one.ends), time.span(one.ends - now))
end

local WAITS = {
  ["none"] = "%s is not proven yet; apply does that", ["to give"] = "%s waits to be pasted%s; %s",
  ["given"] = "%s was shown or stored%s, and nobody said that it is in use; %s",
}

-- Add which client secret the consumer has, and which one waits.
local function add_secret(lines, state, now)
  local has, waiting = state.secret.has, state.secret.waiting
  if has then add(lines, "  it has the client secret %s: %s", has.short, dates(has, now)) end
  if waiting then
    local since = waiting.since and " since " .. time.day(waiting.since) or ""
    add(lines, "  " .. WAITS[state.secret.state]:format("the client secret " .. waiting.short, since,
      dates(waiting, now)))
  end
end

local function said(item)
  if item.state ~= "done" then return item.note and "  " .. item.note or "" end
  local parts = {}
  for _, part in ipairs { item.by or false, item.at and time.day(item.at) or false, item.how or false,
    item.note or false } do
    if part then parts[#parts + 1] = part end
  end
  return #parts > 0 and ("  (%s)"):format(table.concat(parts, ", ")) or ""
end

local function sign(state, item)
  if item.state == "done" then return "✓ done" end
  if item.key == state.next then return "> next" end
  return item.required and "· open" or "· open, recommended only"
end

local function add_items(lines, state)
  for _, item in ipairs(state.items) do
    add(lines, "  %2d  %-17s %s%s", item.number, item.key, sign(state, item), said(item))
    add(lines, "      %s", item.what)
  end
end

local function add_command(lines, command, text) add(lines, "  %-34s  %s", command, text) end

-- Add the commands that make the client secret, or give it to a person.
local function add_giving(lines, state, command)
  if not state.secret.waiting then return add_command(lines, state.maker, "makes and proves its client secret") end
  for _, line in ipairs(handover_terminal.form(state.form)) do add(lines, "  " .. line) end
  add_command(lines, command .. " --show", "show the client secret on this terminal; --secret-file PATH: to a new file")
  add_command(lines, command .. " --confirm", "when it is pasted, and Test connection succeeded")
end

-- Somebody set the provider up before: then the items before it are probably done.
local function add_former(lines, state, command)
  local keys = {}
  for _, item in ipairs(state.items) do
    if item.required and item.state == "open" and item.key ~= "provider" and item.key ~= "proof" then
      keys[#keys + 1] = item.key
    end
  end
  if #keys < 2 or not state.secret.has or state.destroyed then return end
  add(lines, "  All of these are there already? %s --done %s", command, table.concat(keys, ","))
end

local function add_turn(lines, state, item, command)
  add(lines, "\nNext: %s", item.what)
  add(lines, "  who        %s", item.who)
  add(lines, "  where      %s", item.where)
  add(lines, "  known by   %s", item.known_by)
  if item.link then add(lines, "  page       %s", item.link) end
  if item.key == "provider" then add_giving(lines, state, command)
  else add_command(lines, ("%s --done %s"):format(command, item.key), "when it is") end
  add_former(lines, state, command)
end

-- Nothing is left to do until the next renewal.
local function add_rest(lines, state, command, now)
  add(lines, "\nNothing required is left for a person.")
  local day = not state.destroyed and state.secret.renew_at
  if not day then return end
  if day <= now then return add_command(lines, state.maker, "it is time: makes the next client secret") end
  add_command(lines, state.maker, ("from %s on: makes the next client secret"):format(time.day(day)))
  add_command(lines, command .. " --calendar FILE", "puts that day into your calendar")
end

--- What to do next; with the form when the provider is next.
---@param state handover.state
---@param command string "moonlatch handover", with the client id where there are several
---@param now number
---@return string
function M.next(state, command, now)
  local lines = {}
  for _, item in ipairs(state.items) do
    if item.key == state.next then add_turn(lines, state, item, command) end
  end
  if not state.next then add_rest(lines, state, command, now) end
  return table.concat(lines, "\n"):sub(2)
end

--- The whole state.
---@param state handover.state
---@param command string as for `next`
---@param now number
---@return string
function M.of(state, command, now)
  local lines = {}
  add(lines, "%s%s%s", state.client_id == "" and "" or state.name .. ", for ", M.consumer(state),
    state.address and " at " .. state.address or "")
  if state.client_id == "" then add(lines, "  nothing was made for it yet; this can be prepared meanwhile:") end
  if state.destroyed then add(lines, "  the application is gone; this is what is left of it there:") end
  if state.client_id ~= "" then add(lines, "  client id %s, tenant %s", state.client_id, state.tenant) end
  if not state.destroyed then add_secret(lines, state, now) end
  add(lines, "  %s", state.complete and "complete" or layout.count(state.open, "required item") .. " open")
  add_items(lines, state)
  return table.concat(lines, "\n") .. "\n\n" .. M.next(state, command, now)
end

return M
