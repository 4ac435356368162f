--- Deliver a proven secret: to an entry that can be read back, to a person, or to both. Then remove the secret that it
--- replaced.

local named_path = require "machine.named_path"
local options_of = require("base.options").of
local sink_entry = require "sink.entry"
local sink_handover = require "sink.handover"
local vault_folder = require "base.vault_folder"

local M = {}

local read_entry = options_of("sink.entry", { name = "string", vault = "string", path = "string", rights = "any" })

local read_fields = options_of("sink.deliver", {
  name = "string", tenant = "any", client_id = "any", application = "any", description = "string", consumer = "string",
  elevation = "boolean", roles = "table", managed = "table", renew_before = "number", secret_file = "string",
  entry = "table|boolean", accounts = "table", principal = "any",
})

--- The entry that the profile and the arguments name; nil without Devolutions Server. Begins to open the entry, and
--- does not wait; its method `opened` does.
---@param run workflow.Run
---@param fields { name: string, vault: string?, path: string?, rights: any }
---@return sink.entry?
function M.entry(run, fields)
  fields = read_entry(fields)
  local devolutions = run.profile.devolutions
  if not devolutions or not devolutions.server then return nil end
  local vault, path = vault_folder.vault_and_folder(fields, devolutions)
  local entry = sink_entry {
    name = fields.name, vault = vault, path = path, workflow = run.id, linked = devolutions.linked,
    rights = fields.rights,
  }
  entry:open(run)
  return entry
end

local function store_in_entry(run, secret, entry, fields)
  entry:hold {
    tenant = fields.tenant, client_id = fields.client_id, value = secret.value, application = fields.name,
    marker = secret.row and secret.row.body.marker, credential = secret,
  }
  run:ensure(entry)
  secret:placed("stored", entry:where())
  if entry:confirms() then
    secret:confirm(("read back from %s, which, the profile says, the provider reads"):format(entry:where()))
  end
end

--- Store the secret in the entry; hand it over to a person where no entry confirms it; then remove the secret that it
--- replaced. `secret_file` must be a path that a person named on the command line. Waits.
---@param run workflow.Run
---@param secret rotation.Credential
---@param fields sink.fields
function M.deliver(run, secret, fields)
  fields = read_fields(fields)
  if fields.secret_file then named_path.check(fields.secret_file, "write the client secret") end
  local entry = fields.entry
  if run.mode == "destroy" then
    sink_handover.tell_what_stays(run, fields.name)
    return entry and run:ensure(entry)
  end
  repeat
    if entry and secret:is_held() then store_in_entry(run, secret, entry, fields) end
  until sink_handover.hand_over(run, secret, fields) ~= "again"
  if entry then entry:clear(run) end
  secret:tidy()
end

return M
