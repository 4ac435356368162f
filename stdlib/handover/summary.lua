--- Print the state of a hand-over, as lines for a person.

local handover_terminal = require "handover.terminal"
local layout = require "terminal.layout"
local time = require "time"

local M = {}

local TO = { cloud = "Devolutions Cloud", server = "Devolutions Server" }

--- The consumer of the client secret, in words.
---@param state handover.state
---@return string
function M.consumer_name(state)
  return TO[state.consumer] or ("the service that signs in as '%s'"):format(state.name)
end

--- Who or what says that the required items are done: "provider: read back from vault 'Privileged'; licence, account:
--- adele".
---@param state handover.state
---@return string
function M.known_by(state)
  local sources, items_of = {}, {}
  for _, item in ipairs(state.items) do
    if item.required and item.state == "done" then
      local by = item.by or item.note or "nobody knows who said so"
      if not items_of[by] then
        sources[#sources + 1], items_of[by] = by, {}
      end
      table.insert(items_of[by], item.key)
    end
  end
  for i, by in ipairs(sources) do sources[i] = ("%s: %s"):format(table.concat(items_of[by], ", "), by) end
  return table.concat(sources, "; ")
end

local function add_summary_line(lines, text, ...)
  lines[#lines + 1] = select("#", ...) > 0 and text:format(...) or text
end

local function handover_expiry_text(one, now)
  if not one.ends then return "its expiry date is unknown" end
  if one.ends <= now then return ("expired on %s, %s ago"):format(time.day(one.ends), time.span(now - one.ends)) end
  return ("until %s, another %s"):format(time.day(one.ends), time.span(one.ends - now))
end

local WAITS = {
  ["none"] = "%s is not proven yet; apply does that", ["to give"] = "%s waits to be pasted%s; %s",
  ["given"] = "%s was shown or stored%s, and nobody said that it is in use; %s",
}

-- Add which client secret the consumer has, and which one waits to be confirmed.
local function add_secret_state(lines, state, now)
  local has, waiting = state.secret.has, state.secret.waiting
  if has then
    add_summary_line(lines, "  it has the client secret %s: %s", has.short, handover_expiry_text(has, now))
  end
  if waiting then
    local since = waiting.since and " since " .. time.day(waiting.since) or ""
    add_summary_line(lines, "  " .. WAITS[state.secret.state]:format("the client secret " .. waiting.short, since,
      handover_expiry_text(waiting, now)))
  end
end

local function item_remark(item)
  if item.state ~= "done" then return item.note and "  " .. item.note or "" end
  local parts = {}
  for _, part in ipairs { item.by or false, item.at and time.day(item.at) or false, item.how or false,
    item.note or false } do
    if part then parts[#parts + 1] = part end
  end
  return #parts > 0 and ("  (%s)"):format(table.concat(parts, ", ")) or ""
end

local function item_sign(state, item)
  if item.state == "done" then return "✓ done" end
  if item.key == state.next then return "> next" end
  return item.required and "· open" or "· open, recommended only"
end

local function add_checklist_items(lines, state)
  for _, item in ipairs(state.items) do
    add_summary_line(lines, "  %2d  %-17s %s%s", item.number, item.key, item_sign(state, item), item_remark(item))
    add_summary_line(lines, "      %s", item.what)
  end
end

local function add_command_hint(lines, command, text) add_summary_line(lines, "  %-34s  # %s", command, text) end

-- Add the commands that make the client secret, or give it to a person.
local function add_delivery_commands(lines, state, command)
  if not state.secret.waiting then return add_command_hint(lines, state.maker, "makes and proves its client secret") end
  for _, line in ipairs(handover_terminal.form_lines(state.form)) do add_summary_line(lines, "  " .. line) end
  add_command_hint(lines, command .. " --show",
    "show the client secret on this terminal; --secret-file PATH: to a new file")
  add_command_hint(lines, command .. " --confirm", "when it is pasted, and Test connection succeeded")
end

-- Add the command that ticks all other items at once: when somebody set up the provider before, they are probably done.
local function add_command_for_former_items(lines, state, command)
  local keys = {}
  for _, item in ipairs(state.items) do
    if item.required and item.state == "open" and item.key ~= "provider" and item.key ~= "proof" then
      keys[#keys + 1] = item.key
    end
  end
  if #keys < 2 or not state.secret.has or state.destroyed then return end
  add_summary_line(lines, "  All of these are there already? %s --done %s", command, table.concat(keys, ","))
end

local function add_next_item(lines, state, item, command)
  add_summary_line(lines, "\nNext: %s", item.what)
  add_summary_line(lines, "  who        %s", item.who)
  add_summary_line(lines, "  where      %s", item.where)
  add_summary_line(lines, "  known by   %s", item.known_by)
  if item.link then add_summary_line(lines, "  page       %s", item.link) end
  if item.key == "provider" then add_delivery_commands(lines, state, command)
  else add_command_hint(lines, ("%s --done %s"):format(command, item.key), "when it is") end
  add_command_for_former_items(lines, state, command)
end

-- Add when the next renewal is, because nothing else is left to do.
local function add_renewal(lines, state, command, now)
  add_summary_line(lines, "\nNothing required is left for a person.")
  local day = not state.destroyed and state.secret.renew_at
  if not day then return end
  if day <= now then return add_command_hint(lines, state.maker, "it is time: makes the next client secret") end
  add_command_hint(lines, state.maker, ("from %s on: makes the next client secret"):format(time.day(day)))
  add_command_hint(lines, command .. " --calendar FILE", "puts that day into your calendar")
end

--- What to do next; with the form when the provider is next.
---@param state handover.state
---@param command string "moonlatch handover", with the client id where there are several
---@param now number
---@return string
function M.next_step(state, command, now)
  local lines = {}
  for _, item in ipairs(state.items) do
    if item.key == state.next then add_next_item(lines, state, item, command) end
  end
  if not state.next then add_renewal(lines, state, command, now) end
  return table.concat(lines, "\n"):sub(2)
end

--- The whole state.
---@param state handover.state
---@param command string as for `next`
---@param now number
---@return string
function M.text(state, command, now)
  local lines = {}
  add_summary_line(lines, "%s%s%s", state.client_id == "" and "" or state.name .. ", for ", M.consumer_name(state),
    state.address and " at " .. state.address or "")
  if state.client_id == "" then
    add_summary_line(lines, "  nothing was made for it yet; this can be prepared meanwhile:")
  end
  if state.destroyed then add_summary_line(lines, "  the application is gone; this is what is left of it there:") end
  if state.client_id ~= "" then add_summary_line(lines, "  client id %s, tenant %s", state.client_id, state.tenant) end
  if not state.destroyed then add_secret_state(lines, state, now) end
  add_summary_line(lines, "  %s", state.complete and "complete" or layout.count(state.open, "required item") .. " open")
  add_checklist_items(lines, state)
  return table.concat(lines, "\n") .. "\n\n" .. M.next_step(state, command, now)
end

return M
