--- Bring a proven secret to where it is used: to an entry that can be read back, to a person, or to both. Then remove
--- the one before.

local named_path = require "machine.named_path"
local options_of = require("base.options").of
local sink_entry = require "sink.entry"
local sink_handover = require "sink.handover"
local vault_folder = require "base.vault_folder"

local M = {}

local read_entry = options_of("sink.entry", { name = "string", vault = "string", path = "string" })

local read_fields = options_of("sink.deliver", {
  name = "string", tenant = "any", client_id = "any", application = "any", description = "string", consumer = "string",
  elevation = "boolean", roles = "table", managed = "table", renew_before = "number", secret_file = "string",
  entry = "table|boolean",
})

--- The entry that the profile and the arguments name; nil without Devolutions Server. Begins to open the entry, and
--- does not wait; its method `opened` does.
---@param run workflow.Run
---@param fields { name: string, vault: string?, path: string? }
---@return sink.entry?
function M.entry(run, fields)
  fields = read_entry(fields)
  local devolutions = run.profile.devolutions
  if not devolutions or not devolutions.server then return nil end
  local vault, path = vault_folder.chosen(fields, devolutions)
  local to = sink_entry {
    name = fields.name, vault = vault, path = path, workflow = run.id, linked = devolutions.linked,
  }
  to:open(run)
  return to
end

local function store(run, secret, to, fields)
  to:hold {
    tenant = fields.tenant, client_id = fields.client_id, value = secret.value, application = fields.name,
    marker = secret.row and secret.row.body.marker, credential = secret,
  }
  run:ensure(to)
  secret:placed("stored", to:where())
  if to:confirms() then secret:confirm("read back from " .. to:where()) end
end

--- Store the secret, hand it over where no entry confirms it, and remove what it replaced. Waits. A person must have
--- named `secret_file`.
---@param run workflow.Run
---@param secret rotation.Secret
---@param fields sink.fields
function M.deliver(run, secret, fields)
  fields = read_fields(fields)
  if fields.secret_file then named_path.check(fields.secret_file, "write the client secret") end
  local to = fields.entry
  if run.mode == "destroy" then
    sink_handover.leave(run, fields.name)
    return to and run:ensure(to)
  end
  repeat
    if to and secret:is_held() then store(run, secret, to, fields) end
  until sink_handover.offer(run, secret, fields) ~= "again"
  if to then to:clear(run) end
  secret:tidy()
end

return M
