--- Where a secret goes: to a person, who puts it into a form. Shown once, on
--- request, on a terminal, and cleared; or written to a new file. Never confirms
--- by itself: a person says so.

local file = require "sink.file"
local form = require "devolutions.form"
local record = require "record"
local log = require "log"
local term = require "host.term"
local time = require "time"

local M = {}

---@class sink.handover.talk how to speak with the person; tests bring their own
---@field ask fun(prompt: string): string?
---@field reveal fun(heading: string, value: host.secret): boolean?, string?
M.talk = { ask = term.read_line, reveal = term.reveal }

-- On record before anybody sees it.
local function audit(run, row, how)
  run.journal:audit("reveal", { rotation = row.id, marker = row.body.marker, how = how }, time.now())
  record.commit(run.journal)
end

local function reveal(run, secret, fields)
  audit(run, secret.row, "terminal")
  local heading = ("Client secret for the field '%s' of the provider '%s'"):format(form.SECRET, fields.name)
  local shown, message = M.talk.reveal(heading, secret.value)
  if not shown then return run:warn("the secret could not be shown: %s", message or "no terminal") end
  secret:placed("handed_over", "terminal")
end

local function write(run, secret, path)
  audit(run, secret.row, "file " .. path)
  file.write(path, secret.value)
  secret:placed("handed_over", "file " .. path)
  run:note("the client secret is in %s, readable by you only; delete the file when it has been pasted", path)
end

local FIRST = "Show the client secret now, to paste it into the provider form? [s]how, or Enter for later: "
local AGAIN = "Is the secret in the provider form? [y]es, [s]how it, have a [n]ew one made, or Enter for later: "

local function choose(prompt)
  log.done()
  return (M.talk.ask(prompt) or ""):lower():sub(1, 1)
end

-- Ask until there is an answer to end with.
local function converse(run, secret, fields)
  form.tell(run, fields)
  while true do
    local answer = choose(secret.row.state == "proven" and FIRST or AGAIN)
    local offered = secret.row.state ~= "proven"
    if answer == "s" then reveal(run, secret, fields)
    elseif answer == "y" and offered then return secret:confirm "a person"
    elseif answer == "n" and offered then
      secret:replace "a person asked for a new one"
      return "again"
    else return end
  end
end

local function how(secret, fields)
  local lines = {}
  if fields.entry then lines[#lines + 1] = "the secret lies in the entry: " .. fields.entry:where() end
  lines[#lines + 1] = "to see it, run apply on a terminal without --yes; or with --secret-file PATH, for a new file"
  lines[#lines + 1] = ("when it is in the form and Test connection succeeded: moonlatch journal confirm %s")
    :format(secret.row.id)
  if fields.entry then
    lines[#lines + 1] = "if the provider reads that very entry (Credential type: Linked credential): "
      .. "say so once, with linked = true in the profile's devolutions"
  end
  return lines
end

---@class sink.fields
---@field name string of the provider
---@field tenant string GUID
---@field client_id any unknown before there is an application
---@field description string?
---@field secret_file string? a new file for the secret
---@field entry sink.entry?

--- Have the secret brought into the provider form by a person; waits for them on record.
---@param run workflow.Run
---@param secret rotation.Secret
---@param fields sink.fields
---@return "again"? when a new one was made, which has to be brought there too
function M.offer(run, secret, fields)
  if run:acting() and fields.secret_file then write(run, secret, fields.secret_file) end
  if run:acting() and run.interactive and converse(run, secret, fields) == "again" then return "again" end
  if secret:is_confirmed() then return end
  if run.mode ~= "apply" and not secret.row then
    return run:note("a person will have to paste the secret into the provider form; apply says how")
  end
  run:await {
    what = ("paste the client secret into the provider '%s' of Devolutions"):format(fields.name),
    why = "Storing is not using: as long as nobody says that it is in use, the one before is never retired.",
    how = how(secret, fields), form = form.fields(fields),
  }
end

return M
