--- A sink for a client secret: a person, who gives the secret to its consumer and then confirms that it is in use.
---
--- This file records what is handed over for which consumer, and tells what a person has to do. `moonlatch handover`
--- goes on from that record, without signing in.

local checklist = require "devolutions.checklist"
local deliver = require "handover.deliver"
local graph_clock = require "graph.clock"
local handover_terminal = require "handover.terminal"
local hint = require "log.hint"
local layout = require "terminal.layout"
local resource = require "resource.new"
local states = require "handover.state"
local summary = require "handover.summary"
local tick_by_log = require "handover.tick_by_log"
local workflow_print = require "workflow.print"

local M = {}

---@class sink.fields
---@field name string of the provider
---@field tenant string GUID
---@field client_id any unknown while there is no application
---@field application any object id; unknown while there is no application
---@field description string?
---@field consumer "none"|nil "none": the consumer is not Devolutions; by default what the profile names
---@field elevation boolean?
---@field roles string[]?
---@field managed string[]?
---@field renew_before number?
---@field secret_file string? a new file for the client secret
---@field entry sink.entry?
---@field accounts entra.account[]? the managed accounts, and
---@field principal any? the object id of the provider's service principal: with both, Entra's logs tick items

---------------------------------------------------------------------------
-- The record of the hand-over

local function handover_body(run, fields)
  local consumer, address = states.consumer(run.profile)
  if fields.consumer then consumer, address = fields.consumer, nil end
  return {
    workflow = run.id, name = fields.name, description = fields.description, tenant = fields.tenant,
    client_id = fields.client_id, application = fields.application, consumer = consumer, address = address,
    entry = fields.entry and fields.entry:where(), linked = fields.entry ~= nil and fields.entry:confirms(),
    elevation = fields.elevation, roles = fields.roles or {}, managed = fields.managed or {},
    renew_before = fields.renew_before,
  }
end

-- The row of this hand-over. The setup knows more about a provider than a policy does, so a row of the setup is not
-- replaced by one of a policy.
local function handover_row(run, fields)
  local before = states.rows(run.journal, fields.client_id)[1]
  if before and before.state == "known" and not fields.roles then return before end
  local body = handover_body(run, fields)
  if run:acting() then states.record(run.journal, body) end
  return { id = fields.client_id, kind = "handover", state = "known", body = body }
end

---------------------------------------------------------------------------
-- What a person has to do

local function open_handover_items_text(state)
  local open = hint.text("%s open; `{moonlatch} handover` shows %s", layout.count(state.open, "item"),
    state.open == 1 and "it" or "them")
  local doing = state.secret.waiting and "hand the client secret over to %s" or "finish what is to be done in %s"
  return ("%s: %s"):format(doing:format(summary.consumer_name(state)), open)
end

local function handover_instructions(run, row, state)
  local several = #states.rows(run.journal) > 1
  local command = hint.text "{moonlatch} handover" .. (several and " " .. row.id or "")
  if not state.secret.waiting then return { command .. ": what is next, and how to tick it off" } end
  local lines = {
    command .. ": what is next, with the form and its values",
    command .. " --show: the secret, on a terminal; --secret-file PATH writes it to a new file",
    command .. " --confirm: it is pasted, and Test connection succeeded",
  }
  if row.body.entry then table.insert(lines, 1, "the secret lies in the entry: " .. row.body.entry) end
  if row.body.consumer == "server" and not row.body.linked then
    lines[#lines + 1] = "if the provider reads that very entry (Credential type: Linked credential): "
      .. "say so once, with linked = true in the profile's devolutions"
  end
  return lines
end

-- Was the entry made just now, so that no provider can have read it, whatever the profile says?
local function is_unseen_provider(entry) return entry ~= nil and entry.is_new and entry:confirms() end

local function await_handover_by_person(run, row, fields)
  if run:acting() and fields.accounts and resource.known(fields.principal) then
    tick_by_log(run.journal, states.read(run.journal, row, graph_clock.now()),
      { accounts = fields.accounts, principal = fields.principal })
  end
  local state = states.read(run.journal, row, graph_clock.now())
  if state.complete then
    if state.consumer == "none" then return end
    if is_unseen_provider(fields.entry) then
      return run:note("a person adds this provider, unless it is there already: the profile says that it reads the "
        .. "entry (linked = true), and whether it does cannot be seen from here")
    end
    return run:note("nothing required is left for a person in %s (%s)", summary.consumer_name(state),
      summary.known_by(state))
  end
  run:await {
    what = open_handover_items_text(state), how = handover_instructions(run, row, state),
    why = state.secret.waiting
      and "Until somebody confirms that it is in use, the client secret before it is never retired."
      or "No public API shows whether this is done: a person does it, and confirms it.",
    form = state.next == "provider" and state.form and state.form.fields or nil,
  }
end

-- Note in a plan what a person will have to do.
local function note_planned_handover(run, fields)
  local row = resource.known(fields.client_id) and handover_row(run, fields) or states.preview(run.profile)
  local state = states.read(run.journal, row, graph_clock.now())
  local command = hint.text "{moonlatch} handover"
  run:note("a person pastes the client secret into the form of %s: %s says how", summary.consumer_name(state), command)
  if state.consumer == "cloud" and not state.complete then
    run:note("Devolutions Cloud has no public API: %s there wait for a person; `%s` lists them",
      layout.count(state.open, "item"), command)
  end
end

---------------------------------------------------------------------------

local function note_handover_form(run, made)
  run:note(workflow_print.joined(handover_terminal.form_lines(made))) -- a text without values keeps its line breaks
end

-- Show the form and the secret at the terminal, and ask whether the secret is in use.
local function hand_over_at_terminal(run, secret, row)
  local state = states.read(run.journal, row, graph_clock.now())
  note_handover_form(run, state.form)
  return handover_terminal.ask_until_confirmed(run.journal, secret.row, state, { renewable = true })
end

-- Tell of a provider whose application is gone for good: it cannot work, whatever is made for it now under that name.
local function tell_former(run, fields)
  for _, row in ipairs(states.rows(run.journal, fields.name)) do
    local state = states.read(run.journal, row, graph_clock.now())
    local is_former = row.body.workflow == run.id and row.id ~= fields.client_id and state.destroyed
    if is_former and not state.complete then
      local how = {}
      for i, item in ipairs(state.items) do how[i] = ("%s (%s)"):format(item.what, item.where) end
      how[#how + 1] = hint.text("when that is done: {moonlatch} handover %s --done %s", row.id, state.next)
      run:await {
        what = ("see to the provider '%s' in %s: it was given the Client ID %s"):format(state.name,
          summary.consumer_name(state), row.id),
        why = "The application with that Client ID was deleted for good, and another one has its place. Until the "
          .. "provider has the new Client ID and client secret, or is replaced, it resets nothing.",
        how = how,
      }
    end
  end
end

--- Let a person give the secret to its consumer, and do the other open items. Until the items are done, the run reports
--- that it waits for a person, and the journal records it.
---@param run workflow.Run
---@param secret rotation.Credential
---@param fields sink.fields
---@return "again"? when a person asked for a new secret, which has to be delivered, too
function M.hand_over(run, secret, fields)
  local entry, path = fields.entry, fields.secret_file
  if not run.journal then return end
  if resource.known(fields.client_id) then tell_former(run, fields) end
  if not secret.row then return not (entry and entry:confirms()) and note_planned_handover(run, fields) or nil end
  local row = handover_row(run, fields)
  if is_unseen_provider(entry) then note_handover_form(run, states.form(row.body, "add")) end
  if run:acting() and path then
    deliver.write(run.journal, secret.row, path)
    run:note("the client secret is in %s, readable by you only; delete the file when it has been pasted", path)
  end
  local asks = run:acting() and run.interactive and not secret:is_confirmed()
  if asks and hand_over_at_terminal(run, secret, row) == "new" then
    secret:replace "a person asked for a new one"
    return "again"
  end
  await_handover_by_person(run, row, fields)
end

---------------------------------------------------------------------------
-- What stays in Devolutions when the application is deleted

local function managed_accounts_text(state)
  return #state.managed > 0 and "The accounts of " .. table.concat(state.managed, ", ")
    or "The accounts that the provider manages"
end

local function await_removal_by_person(run, row)
  local state = states.read(run.journal, row, graph_clock.now())
  if not state.destroyed or state.complete then return end
  local how = {}
  for i, item in ipairs(state.items) do how[i] = ("%s (%s)"):format(item.what, item.where) end
  run:await {
    what = hint.text("remove the remains of '%s' in %s; `{moonlatch} handover` lists them", state.name,
      summary.consumer_name(state)),
    why = managed_accounts_text(state) .. " keep the passwords they have, and nobody rotates them any more.",
    how = how, form = state.form and state.form.fields,
  }
end

local function is_application_adopted(run, row)
  for _, adopted in ipairs(run.journal:list "adopted") do
    if adopted.body.id == row.body.application then return true end
  end
  return false
end

-- Tell that an adopted application stays, with what it had before. What the provider does with it, only Devolutions
-- shows.
local function tell_adopted(run, row)
  local state = states.read(run.journal, row, graph_clock.now())
  run:warn("whether the provider '%s' in %s still works is unknown: its application was adopted and stays, without "
    .. "what was added to it here. %s are rotated only while it has roles, permissions and a client secret of its own. "
    .. "To see: %s", state.name, summary.consumer_name(state), managed_accounts_text(state),
    table.concat(checklist.proof(state.consumer), "; "))
end

--- For `destroy`: tell what stays in Devolutions, and which accounts are not rotated any more.
---@param run workflow.Run
---@param name string of the provider
function M.tell_what_stays(run, name)
  for _, row in ipairs(run.journal and states.rows(run.journal, name) or {}) do
    if row.body.workflow == run.id and is_application_adopted(run, row) then tell_adopted(run, row)
    elseif row.body.workflow == run.id then
      local gone = states.without_application(run.journal, row)
      run:before_change(function() states.record_application_gone(run.journal, gone) end)
      await_removal_by_person(run, gone)
    end
  end
end

return M
