--- A sink for a client secret: a credential entry of Devolutions Server (subType AzureServicePrincipal). The entry can
--- be read back, so its content is known. Whether the consumer reads this very entry, only a person can say (`linked`).

local change_outcome = require "rotation.change_outcome"
local fail = require "fail"
local markers = require "journal.marker"
local ownership = require "resource.ownership"
local probe = require "sink.probe"
local resource = require "resource.new"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local secret = require "host.secret"
local server = require "devolutions.server"
local task = require "task"
local vault_folder = require "base.vault_folder"
local write_lease = require "sink.write_lease"

---@class sink.entry: resource.Resource
---@field workflow string
---@field vault string name or id
---@field path string folders, separated by "\"
---@field linked boolean
---@field rights host.gate.rights? with which the entry is read and written; nil: the present rights
---@field vault_id string once opened
---@field entry devolutions.entry? as read
local Entry = resource.kind("Devolutions entry", { open = { "confirms", "vault", "path" } })

--- An entry in a vault.
---@param fields { name: string, vault: string, path: string?, workflow: string, linked: boolean?, rights: any }
---@return sink.entry
local function entry(fields)
  local self = Entry(fields)
  self.path = vault_folder.canonical(self.path)
  self.tag = ownership.tag(self.workflow)
  self.made = ("in the vault '%s'%s"):format(self.vault, self.path ~= "" and ", folder " .. self.path or "")
  return self
end

-- Call `fn(...)` with the rights of the entry's sink.
local function within(self, fn, ...)
  if not self.rights then return fn(...) end
  return rights.with(scheduler.current(), self.rights, fn, ...)
end

---------------------------------------------------------------------------
-- Reading the entry

local function raise_entry_not_ours(self)
  fail.raise {
    kind = "not_ours", what = ("look for %s"):format(tostring(self)),
    why = ("there is an entry of this name %s that does not carry the tag '%s'"):format(self.made, self.tag),
    fix = "Choose another --name or --path. If Moonlatch may replace that entry's content, give the entry that tag.",
  }
end

local function joined_entry_ids(list)
  local ids = {}
  for i, found in ipairs(list) do ids[i] = found.id end
  return table.concat(ids, ", ")
end

local function raise_several_entries(self, list)
  fail.raise {
    kind = "conflict", what = ("look for %s"):format(tostring(self)),
    why = ("%d entries %s have this name and the tag '%s' (%s)")
      :format(#list, self.made, self.tag, joined_entry_ids(list)),
    fix = "Delete the entries that are not used, then run the same command again.",
  }
end

local function choose_our_entry(self, list)
  local ours = {}
  for _, found in ipairs(list) do
    if server.has_tag(found, self.tag) then ours[#ours + 1] = found end
  end
  if #ours > 1 then raise_several_entries(self, ours) end
  if #ours == 0 and #list > 0 then raise_entry_not_ours(self) end
  return ours[1]
end

local function find_and_read_entry(self)
  local found = choose_our_entry(self, server.entries(self.vault_id, { name = self.name, path = self.path }))
  return found and server.entry(self.vault_id, found.id) or nil
end

--- The key of the entry in the journal.
---@return string
function Entry:key()
  return ("entry/%s/%s/%s"):format(self.vault_id or self.vault, vault_folder.key(self.path), self.name:lower())
end

--- Read the entry, with its secret; nil when there is none. Waits.
---@return devolutions.entry?
function Entry:read()
  self.entry = within(self, find_and_read_entry, self)
  return self.entry
end

local function connect_and_read_entry(self, profile)
  server.login(profile)
  local info, vault = task.all { server.info, function() return server.vault(self.vault) end }
  self.vault_id = vault.id
  self.fetched, self.tries = task.all {
    function() return { value = self:read() } end,
    function() return server.entries(self.vault_id, { tag = probe.TAG }) end,
  }
  return info
end

--- Begin to connect to the server, find the vault and read the entry, in the background. Changes nothing.
---@param run workflow.Run
function Entry:open(run)
  self.journal = run.journal
  self.opening = run:meanwhile(function() return within(self, connect_and_read_entry, self, run.profile) end)
end

--- Wait until `open` is done.
---@return { version: string, name: string? } info
function Entry:opened() return self.opening:wait() end

--- The secret in the entry, when it belongs to this application. Waits.
---@param client_id string
---@return host.secret?
function Entry:held(client_id)
  local data = self.entry and self.entry.data
  if not data or data.clientId ~= client_id or not secret.is(data.clientSecret) then return nil end
  return data.clientSecret
end

--- Forget the value in the entry, because it is no secret.
function Entry:forget()
  local data = self.entry.data
  data.clientSecret = data.clientSecret:close()
end

--- The marker of the rotation that wrote the entry, from its description.
---@return string?
function Entry:marker()
  return self.entry and markers.find(self.entry.description)
end

--- Does the consumer read this very entry, as a person said, so that a secret stored here is in use?
---@return boolean
function Entry:confirms() return self.linked == true end

--- The place of the entry, for people.
---@return string
function Entry:where()
  return ("vault '%s', %s%s"):format(self.vault, self.path ~= "" and self.path .. "\\" or "", self.name)
end

---------------------------------------------------------------------------
-- Before the first change of a run

--- Raise a failure unless the vault accepts an entry, returns it unchanged, and lets it be deleted. Waits.
---@param journal host.journal.journal
function Entry:probe(journal)
  within(self, probe.try_vault, journal, self.vault_id, self.path)
end

--- Delete the probe entries that interrupted runs left in the vault. Waits.
---@param journal host.journal.journal
function Entry:delete_abandoned_probes(journal) within(self, probe.delete_abandoned, journal, self.vault_id) end

--- Delete the probe entries that an interrupted run left behind. Waits.
---@param run workflow.Run
function Entry:clear(run)
  for _, left in ipairs(self.tries) do
    if probe.is_abandoned(run.journal, left) then
      run:change {
        kind = "probe entry", name = left.name, action = "delete", made = "left behind by a run that was cut short",
        act = function() server.delete_entry(self.vault_id, left.id) end,
      }
    end
  end
end

---------------------------------------------------------------------------
-- Writing the entry

---@class sink.entry.content
---@field tenant string
---@field client_id string
---@field value any
---@field marker string
---@field application string name of the application
---@field credential rotation.Credential? whose value it is; asked before the value is written

--- Set the content that the entry should have.
---@param content sink.entry.content
function Entry:hold(content)
  self.content = content
  self.from = {}
end

local function credential_entry_data(content)
  return { tenantId = content.tenant, clientId = content.client_id, clientSecret = content.value }
end

local function credential_entry_description(content)
  return ("Client secret of the application '%s', kept by Moonlatch (%s)."):format(content.application, content.marker)
end

function Entry:differs(actual)
  local changes = resource.compare(actual.data, credential_entry_data(self.content))
  for _, change in ipairs(changes) do
    if change.member == "clientSecret" then change.text = "clientSecret: the new one" end
  end
  return changes
end

local function list_same_name(self)
  return server.entries(self.vault_id, { name = self.name, path = self.path, tag = self.tag })
end

-- Create the entry. While it is read back, list the entries of its name, for the check that it is the only one.
local function create_credential_entry(self, sending)
  return server.create_entry(self.vault_id, {
    name = self.name, path = self.path, type = "Credential", subType = "AzureServicePrincipal",
    description = credential_entry_description(self.content), tags = { self.tag },
    data = credential_entry_data(self.content),
  }, { sending = sending, beside = function()
    local ok, list = pcall(list_same_name, self)
    self.same_name = ok and list or nil -- without it, the check lists them, and raises what that raises
  end })
end

-- When the answer is lost, read what the server did. Raise when somebody who takes no lease, such as a person, has
-- created a second entry meanwhile.
local function make(self, sending)
  local made, unknown = fail.catch("unknown_outcome", create_credential_entry, self, sending)
  local there = choose_our_entry(self, self.same_name or list_same_name(self))
  self.same_name = nil
  if not made and not there then error(unknown, 0) end
  self.is_new = true
  return made or server.entry(self.vault_id, there.id)
end

local function replace(self, actual, sending)
  for name, value in pairs(credential_entry_data(self.content)) do actual.data[name] = value end
  actual.description = credential_entry_description(self.content)
  return server.replace_entry(self.vault_id, actual, { just_read = true, sending = sending })
end

-- Under the lease: look once more, then write.
local function write(self, sending)
  local there, credential = self:read(), self.content.credential
  if credential then credential:check_place(self) end
  local written = there or within(self, make, self, sending)
  return #self:differs(written) == 0 and written or within(self, replace, self, written, sending)
end

-- Write the entry as the only machine that does. The lease stays when the outcome of a write is unknown: until that
-- write cannot be carried out any more, nobody else may write.
local function write_alone(self)
  local content, left = self.content, false
  local lease = within(self, write_lease.take, {
    vault_id = self.vault_id, path = self.path, name = self.name, marker = content.marker, journal = self.journal,
  })
  local ok, result = pcall(write, self, function()
    lease:check()
    left = true
  end)
  if ok then within(self, lease.release, lease)
  elseif not left or fail.is(result) and change_outcome.certainly_not(result) then
    pcall(within, self, lease.release, lease)
  end
  if not ok then error(result, 0) end
  self.entry = result
  return result
end

--- Create the entry, or bring the one that was created meanwhile to the content wanted. Raises "conflict" when another
--- machine writes the entry, or has written another value. Waits.
---@return devolutions.entry
function Entry:create() return write_alone(self) end

--- Bring the entry to the content wanted; raises as `create` does. Waits.
---@return devolutions.entry
function Entry:update() return write_alone(self) end

-- True without a request, because creating and replacing an entry read it back.
function Entry.seen() return true end

function Entry:ours(actual)
  if server.has_tag(actual, self.tag) then return true, "it carries our tag" end
  return false, "it does not carry the tag " .. self.tag
end

function Entry:delete(actual) server.delete_entry(self.vault_id, actual.id) end

Entry.gone = false -- the server shows its own changes at once

return entry
