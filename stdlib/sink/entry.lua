--- A sink for a client secret: a credential entry of Devolutions Server (subType AzureServicePrincipal). The entry can
--- be read back, so its content is known. Whether the consumer reads this very entry, only a person can say (`linked`).

local fail = require "fail"
local markers = require "journal.marker"
local ownership = require "resource.ownership"
local probe = require "sink.probe"
local resource = require "resource.new"
local secret = require "host.secret"
local server = require "devolutions.server"
local task = require "task"
local vault_folder = require "base.vault_folder"

---@class sink.entry: resource.Resource
---@field workflow string
---@field vault string name or id
---@field path string folders, separated by "\"
---@field linked boolean
---@field vault_id string once opened
---@field entry devolutions.entry? as read
local Entry = resource.kind("Devolutions entry", { open = { "confirms", "vault", "path" } })

local PATIENCE, PAUSE = 60, 5 -- seconds for another run to give way, and until the vault must list a new entry

--- An entry in a vault.
---@param fields { name: string, vault: string, path: string?, workflow: string, linked: boolean? }
---@return sink.entry
local function entry(fields)
  local self = Entry(fields)
  self.path = vault_folder.canonical(self.path)
  self.tag = ownership.tag(self.workflow)
  self.made = ("in the vault '%s'%s"):format(self.vault, self.path ~= "" and ", folder " .. self.path or "")
  return self
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

--- The key of the entry in the journal.
---@return string
function Entry:key()
  return ("entry/%s/%s/%s"):format(self.vault_id or self.vault, vault_folder.key(self.path), self.name:lower())
end

--- Read the entry, with its secret; nil when there is none. Waits.
---@return devolutions.entry?
function Entry:read()
  local found = choose_our_entry(self, server.entries(self.vault_id, { name = self.name, path = self.path }))
  self.entry = found and server.entry(self.vault_id, found.id) or nil
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
  self.opening = run:meanwhile(function() return connect_and_read_entry(self, run.profile) end)
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
  probe.try_vault(journal, self.vault_id, self.path)
end

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

--- Set the content that the entry should have.
---@param content { tenant: string, client_id: string, value: any, marker: string, application: string }
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

-- Create the entry. While it is read back, list the entries of its name, for give_way.
local function create_credential_entry(self)
  return server.create_entry(self.vault_id, {
    name = self.name, path = self.path, type = "Credential", subType = "AzureServicePrincipal",
    description = credential_entry_description(self.content), tags = { self.tag },
    data = credential_entry_data(self.content),
  }, function()
    local ok, list = pcall(list_same_name, self)
    self.same_name = ok and list or nil -- without it, give_way lists them, and raises what that raises
  end)
end

-- A lost answer says nothing, so the entry is read to see whether the server created it.
function Entry:create()
  local made, unknown = fail.catch("unknown_outcome", create_credential_entry, self)
  self.entry = made or self:read()
  if not self.entry and unknown then error(unknown, 0) end
  self.is_new = true
  return #self:differs(self.entry) == 0 and self.entry or self:update(self.entry)
end

-- When an entry was created, in whole seconds. Nil when the server's text names no time zone.
local function entry_created_at(listing)
  local at, zone = tostring(listing.createdOn):match("^(%d+%-%d+%-%d+T%d+:%d+:%d+)%.?%d*(.*)$")
  return (zone == "Z" or zone == "+00:00") and at or nil
end

local function was_created_before(one, other)
  local first, second = entry_created_at(one), entry_created_at(other)
  return first ~= nil and second ~= nil and first < second
end

-- List the entries of this name and tag: the entry made here (nil when it is not listed in PATIENCE seconds), and the
-- others.
local function list_entries_of_same_name(self, made)
  local own, others
  for waited = 0, PATIENCE, PAUSE do
    local entries = self.same_name or list_same_name(self)
    self.same_name, own, others = nil, nil, {}
    for _, found in ipairs(entries) do
      if found.id == made.id then own = found else others[#others + 1] = found end
    end
    if own or waited == PATIENCE then break end
    task.sleep(PAUSE)
  end
  return own, others
end

local function raise_create_conflict(self, why, fix)
  fail.raise { kind = "conflict", what = ("create %s"):format(tostring(self)), why = why, fix = fix }
end

-- Wait until the other run has deleted its entry, because this one is older. Raises "conflict" when it does not.
local function await_other_run_gives_way(self, made)
  for waited = 0, PATIENCE, PAUSE do
    local _, others = list_entries_of_same_name(self, made)
    if #others == 0 then return end
    if waited == PATIENCE then
      local why = ("another run made an entry of the same name later (%s), and did not delete it"):format(others[1].id)
      raise_create_conflict(self, why, "Delete the entry that is not used, then run the same command again.")
    end
    task.sleep(PAUSE)
  end
end

--- Settle a race with another installation that created an entry of the same name meanwhile; called after `create`. The
--- older entry stays. The entry made here is deleted, and "conflict" raised, unless it is known to be the older one.
---@param made devolutions.entry
function Entry:give_way(made)
  local own, others = list_entries_of_same_name(self, made)
  if not own then
    raise_create_conflict(self, "the vault does not list the entry that was made just now",
      "Run the same command again: it reads the vault anew.")
  end
  for _, other in ipairs(others) do
    if not was_created_before(own, other) then
      server.delete_entry(self.vault_id, own.id)
      self.entry = nil
      raise_create_conflict(self,
        ("another run made an entry of the same name (%s) at the same time, so the entry made here was removed")
          :format(other.id),
        "Run the same command again: it goes on with the other entry. The client secret made here is kept in the "
          .. "journal.")
    end
  end
  if #others > 0 then await_other_run_gives_way(self, own) end
end

function Entry:update(actual)
  for name, value in pairs(credential_entry_data(self.content)) do actual.data[name] = value end
  actual.description = credential_entry_description(self.content)
  self.entry = server.replace_entry(self.vault_id, actual)
  return self.entry
end

-- True without a request, because creating and replacing an entry read it back.
function Entry.seen() return true end

function Entry:ours(actual)
  if server.has_tag(actual, self.tag) then return true, "it carries our tag" end
  return false, "it does not carry the tag " .. self.tag
end

function Entry:delete(actual) server.delete_entry(self.vault_id, actual.id) end

Entry.gone = false -- the server shows its own changes at once

return entry
