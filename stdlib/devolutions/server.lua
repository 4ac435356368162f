--- Devolutions Server: vaults and entries over its public API.
--
-- The API has no ETag, and an update replaces the whole entry. So a change reads the entry, compares it, writes all of
-- it, and reads it back.

local copy = require "base.copy"
local explain = require "explain.cause"
local fail = require "fail"
local http = require "http.client"
local native_devolutions = require "host.devolutions"
local outage = require "http.outage"
local profiles = require "profile.current"
local retry = require "http.retry"
local secret = require "host.secret"
local single_flight = require "task.single_flight"
local task = require "task"
local vault_folder = require "base.vault_folder"

local M = {}

--- Seconds after which a request that was not answered is given up.
M.TIMEOUT = 30

local PAGE = 100
local LARGEST_PAGE = 1000 -- what Devolutions' own client allows (Devolutions/ScriptLibrary@9fda8b1, PageSize)
local MOST_PAGES = 1000
local READINGS = 20 -- readings of a list of several pages, until two in a row agree

---@class devolutions.entry
---@field id string
---@field name string
---@field path string folders, separated by "\"
---@field type string "Credential", "Folder", …
---@field subType string
---@field description string?
---@field tags string[]?
---@field data table members by subType; secrets as host.secret
---@field modifiedOn string?

local session ---@type host.credential?
local settings ---@type table? the profile logged in with
local as_read = setmetatable({}, { __mode = "k" }) -- entry -> its members as they were read

---------------------------------------------------------------------------
-- One call

local function status_and_message(failure)
  if not failure.status then return failure.message end
  return ("%d: %s"):format(failure.status, failure.message)
end

-- Raise the failure of a call. Every failure of a call is raised here.
local function raise_server_failure(what, failure)
  local reason = explain.devolutions(failure)
  fail.raise {
    kind = failure.kind, what = what,
    why = explain.why(reason, failure, status_and_message(failure), "Devolutions Server"), fix = reason.fix,
    resumes = reason.resumes, status = failure.status, cause = failure,
    unreachable = outage.is_unreached(failure) or nil,
  }
end

local function raise_bad_answer(what, message)
  raise_server_failure(what, { kind = "bad_answer", status = 200, message = message })
end

local function server_settings(current)
  local devolutions = current.devolutions
  if devolutions and devolutions.server then return devolutions end
  fail.raise {
    kind = "config", what = "log in to Devolutions Server", why = "the profile names no Devolutions Server",
    fix = "Add devolutions = { server = \"https://…\", app_key = \"…\", app_secret = { … } } to the profile.",
  }
end

-- Send a request and judge the answer. The request is closed at the end, because it may hold a secret.
local function send_and_judge(what, request, credential, judge, options)
  local _ <close> = request
  local answer <close>, message, kind, maybe_sent = http.send(request, credential, {
    timeout = M.TIMEOUT, note = what, own = options.own, sending = options.sending,
  })
  if not answer then return nil, retry.transport_failure(message, kind, maybe_sent) end
  return judge(answer)
end

local open_session = single_flight.wrap(function()
  local server = server_settings(settings)
  local what = ("log in to Devolutions Server %s"):format(server.server)
  local app_secret <close> = profiles.secret(server.app_secret, "the application secret for Devolutions Server")
  local credential, failure = retry.run {
    what = what, peer = "devolutions", repeatable = true,
    attempt = function()
      local request = native_devolutions.login(server.server, server.app_key, app_secret)
      return send_and_judge(what, request, nil, function(answer)
        return native_devolutions.judge_login(answer, server.server)
      end, { own = true })
    end,
  }
  if not credential then raise_server_failure(what, failure) end
  session = credential
end)

local function devolutions_session()
  if settings ~= profiles.current() then settings, session = profiles.current(), nil end
  if not session then open_session() end
  return session
end

-- Calls for the session, which are made with Moonlatch's own rights. Other calls are made with the script's rights.
local OWN = { ["/api/v1/logout"] = true, ["/api/public-instance-information"] = true }

-- Send one call and judge the answer. When the session has expired, log in again and send once more. `sending` is
-- called for each try when it leaves, and may raise to stop it.
local function call_server(what, method, path, query, body, sending)
  local used = devolutions_session()
  local base = server_settings(settings).server
  local function build() return native_devolutions.request(base, method, path, query, body) end
  local first <close> = build()
  local unsent = first
  local value, failure = retry.run {
    what = what, peer = "devolutions", changes = first:changes(), repeatable = first:repeatable(),
    attempt = function()
      local request = unsent or build()
      unsent, used = nil, session
      local function judge(answer) return native_devolutions.judge(request, answer) end
      return send_and_judge(what, request, used, judge, { own = OWN[path], sending = sending })
    end,
    renew = function()
      if session == used then open_session() end
    end,
  }
  if value == nil then raise_server_failure(what, failure) end
  return value
end

local function fill_path(template, ...)
  local values, place = { ... }, 0
  return (template:gsub("{[^}]*}", function()
    place = place + 1
    return native_devolutions.segment(values[place])
  end))
end

---------------------------------------------------------------------------
-- Session

--- Log in with the profile's application identity.
---@param current table a profile
function M.login(current)
  settings, session = current, nil
  open_session()
end

--- End the session. A failure is ignored: the session expires by itself.
function M.logout()
  if not session then return end
  pcall(call_server, "log out of Devolutions Server", "POST", "/api/v1/logout")
  session = nil
end

--- The server's version ("2026.2.12.0") and name.
---@return { version: string, name: string? }
function M.info()
  local what = "ask Devolutions Server for its version"
  local value = call_server(what, "GET", "/api/public-instance-information")
  local data = type(value.data) == "table" and value.data or value
  if type(data.version) ~= "string" then
    raise_bad_answer(what, "the answer names no version")
  end
  return { version = data.version, name = data.servername }
end

---------------------------------------------------------------------------
-- Lists and their pages

-- Read one page of a list. Official clients use two names for the page number. Both are sent, and the answer must be
-- the page that was asked for.
local function read_list_page(what, path, filter, number)
  local query = { page = ("%d"):format(number), pageNumber = ("%d"):format(number), pageSize = ("%d"):format(PAGE) }
  for name, value in pairs(filter) do query[name] = value end
  local page = call_server(what, "GET", path, query)
  if type(page) ~= "table" or type(page.data) ~= "table" then
    raise_bad_answer(what, "the answer is not a page: it has no list called data")
  end
  if page.currentPage ~= nil and page.currentPage ~= number then
    raise_bad_answer(what, ("page %d was asked for and page %s came"):format(number, tostring(page.currentPage)))
  end
  return page
end

-- Raise a failure for a list that is too long, because a list that is not read to its end may lack the entry that is
-- looked for.
local function raise_too_many_pages(what)
  raise_bad_answer(what, ("there are more than %d pages"):format(MOST_PAGES))
end

-- Go through the items of all pages. Also returns the state of the reading, with the number of pages read so far.
local function each_page_item(what, path, filter)
  local page, place, reading = { data = {} }, 0, { pages = 0 }
  return function()
    while place >= #page.data do
      if reading.pages > 0 and reading.pages >= (math.tointeger(page.totalPage) or 1) then return nil end
      if reading.pages >= MOST_PAGES then raise_too_many_pages(what) end
      reading.pages, place = reading.pages + 1, 0
      page = read_list_page(what, path, filter, reading.pages)
    end
    place = place + 1
    return page.data[place]
  end, reading
end

local function list_all_items(what, path, filter)
  local all = {}
  for item in each_page_item(what, path, filter) do all[#all + 1] = item end
  return all
end

--- All vaults that the application identity may see. Waits.
---@return table[] with id, name, description, …
function M.vaults()
  return list_all_items("list the vaults", "/api/v1/vault", {})
end

--- The vault of that name or id. Raises a failure when there is none, or more than one. Waits.
---@param name string
---@return table
function M.vault(name)
  local found = {}
  for _, vault in ipairs(M.vaults()) do
    if vault.id == name then return vault end
    if vault.name == name then found[#found + 1] = vault end
  end
  if #found == 1 then return found[1] end
  local none = #found == 0
  fail.raise {
    kind = none and "missing" or "conflict", what = ("find the vault '%s'"):format(name),
    why = none and "the application identity sees no vault of that name" or ("%d vaults have that name"):format(#found),
    fix = none and "Correct the name, or give the application identity access to the vault in Devolutions Server."
      or "Name the vault by its id, or rename the others in Devolutions Server.",
  }
end

--- Does the entry have this tag?
---@param entry devolutions.entry
---@param tag string
---@return boolean
function M.has_tag(entry, tag)
  for _, one in ipairs(type(entry.tags) == "table" and entry.tags or {}) do
    if one == tag then return true end
  end
  return false
end

-- Does the entry fit the filter? Checked here, too, because some versions of the server ignore filters.
local function fits_filter(entry, filter)
  return (not filter.name or entry.name == filter.name)
    and (not filter.path or vault_folder.is_same(entry.path, filter.path))
    and (not filter.tag or M.has_tag(entry, filter.tag))
end

--- Go through the entries of a vault that fit the filter, without their secrets. The case of a folder's name does not
--- matter. Waits.
---@param vault_id string
---@param filter { name: string?, path: string?, tag: string? }?
---@return fun(): devolutions.entry?
function M.each_entry(vault_id, filter)
  filter = filter or {}
  -- It is unknown whether the server's filter by path ignores case, so that filter is not used.
  local asked = { name = filter.name, tag = filter.tag }
  local next_entry = each_page_item("list the vault's entries", fill_path("/api/v1/vault/{id}/entry", vault_id), asked)
  return function()
    for entry in next_entry do
      if fits_filter(entry, filter) then return entry end
    end
  end
end

--- The entries as a list. Waits.
---@param vault_id string
---@param filter { name: string?, path: string?, tag: string? }?
---@return devolutions.entry[]
function M.entries(vault_id, filter)
  local entries = {}
  for entry in M.each_entry(vault_id, filter) do entries[#entries + 1] = entry end
  return entries
end

-- Read all entries with a tag once. Also returns their ids, in order, and the number of pages.
local function read_tagged_entries(vault_id, tag)
  local entries, ids = {}, {}
  local path, asked = fill_path("/api/v1/vault/{id}/entry", vault_id), { tag = tag, pageSize = tostring(LARGEST_PAGE) }
  local next_entry, reading = each_page_item("list the vault's entries", path, asked)
  for entry in next_entry do
    if M.has_tag(entry, tag) then entries[#entries + 1], ids[#ids + 1] = entry, entry.id end
  end
  return entries, table.concat(ids, " "), reading.pages
end

--- All entries of a vault with a tag, without their secrets. None is missed: while entries are removed, others move to
--- a page that was read already, so a list of several pages counts when two readings agree. Waits.
---@param vault_id string
---@param tag string
---@return devolutions.entry[]
function M.tagged_entries(vault_id, tag)
  local before
  for _ = 1, READINGS do
    local entries, ids, pages = read_tagged_entries(vault_id, tag)
    if pages == 1 or ids == before then return entries end
    before = ids
  end
  fail.raise {
    kind = "transient", resumes = true, what = ("list the entries with the tag %s"):format(tag),
    why = ("they changed during each of %d readings"):format(READINGS),
    fix = "Run the same command again when fewer programs write to the vault.",
  }
end

---------------------------------------------------------------------------
-- Entries of a vault

-- The members that hold the secret of an entry, by subType.
local SECRETS = {
  Default = { "password" }, AccessCode = { "password" }, ApiKey = { "apiKey" },
  AzureServicePrincipal = { "clientSecret" }, ConnectionString = { "connectionString" },
}

-- Raise "denied" when the server does not show the entry's secret: it leaves the member out, or empty, and that must
-- not pass for an empty secret.
local function check_secret_is_shown(what, entry)
  if entry.type ~= "Credential" then return end
  for _, name in ipairs(SECRETS[entry.subType] or {}) do
    local value = entry.data[name]
    if not secret.is(value) or #value == 0 then
      fail.raise {
        kind = "denied", what = what, why = ("the server does not show the entry's %s"):format(name),
        fix = "Give the application identity \"View password\" on the vault in Devolutions Server, then run the same "
          .. "command again.",
      }
    end
  end
end

-- Does `stored` contain every member of `wanted`? The server may add members of its own. A secret in `wanted` that was
-- closed meanwhile is not compared.
local function contains_members(wanted, stored)
  if secret.is(wanted) then
    local ok, same = pcall(secret.equals, wanted, stored)
    return not ok and secret.is(stored) or ok and same
  end
  if type(wanted) ~= "table" or type(stored) ~= "table" then return wanted == stored end
  for name, value in pairs(wanted) do
    if not contains_members(value, stored[name]) then return false end
  end
  return true
end

local function read_server_entry(what, vault_id, id)
  local entry = call_server(what, "GET", fill_path("/api/v1/vault/{id}/entry/{id}", vault_id, id), {
    includePasswords = "true", includeSensitiveData = "true",
  })
  if type(entry) == "table" and type(entry.data) == "table" and entry.id then
    as_read[entry] = copy(entry)
    return entry
  end
  raise_bad_answer(what, "the answer is not an entry: it has no id and data")
end

--- Read one entry with its secrets. Raises "denied" when the server hides them. Waits.
---@param vault_id string
---@param id string
---@return devolutions.entry
function M.entry(vault_id, id)
  local what = ("read the entry %s"):format(id)
  local entry = read_server_entry(what, vault_id, id)
  check_secret_is_shown(what, entry)
  return entry
end

local function entry_name(entry)
  return (entry.path and entry.path ~= "") and entry.path .. "\\" .. entry.name or entry.name
end

local function check_entry_read_back(what, wanted, stored)
  for name, value in pairs(wanted.data) do
    if not contains_members(value, stored.data[name]) then
      fail.raise {
        kind = "conflict", what = what, why = ("read back, its %s is not what was written"):format(name),
        fix = "Look at the entry in Devolutions Server, because somebody may have changed it at the same time; then "
          .. "run the same command again.",
      }
    end
  end
  return stored
end

local function folder_text(path)
  return vault_folder.key(path) == "" and "the vault itself" or ("the folder '%s'"):format(path)
end

-- Raise "conflict" unless the entry is in the folder that it was written to, where the next run looks for it.
local function check_folder(what, wanted, stored, left)
  if vault_folder.is_same(stored.path, wanted.path) then return stored end
  local place = type(stored.path) == "string" and folder_text(stored.path) or "a folder that the server does not name"
  fail.raise {
    kind = "conflict", what = what,
    why = ("the server has put it into %s, not into %s%s"):format(place, folder_text(wanted.path), left),
    fix = "Name the folder as Devolutions Server shows it, as path in the policy or in the profile's devolutions.",
  }
end

-- Delete an entry that the server put into another folder, and raise "conflict". Otherwise each run would add one more
-- entry there.
local function delete_when_misplaced(what, vault_id, entry, stored)
  if vault_folder.is_same(stored.path, entry.path) then return end
  local gone = pcall(M.delete_entry, vault_id, stored.id)
  check_folder(what, entry, stored, gone and "; there it was deleted again" or ("; there it is left, as " .. stored.id))
end

--- Create an entry and read it back. When the server has put the entry into another folder, delete it and raise
--- "conflict". Waits.
---@param vault_id string
---@param entry table as devolutions.entry without id and modifiedOn; path, type, description and tags may be left out
---@param options { sending: nil|fun(), beside: nil|fun() }? sending: called when the request leaves; it may raise to
--- stop it; beside: what is read while the entry is read back
---@return devolutions.entry
function M.create_entry(vault_id, entry, options)
  options = options or {}
  local what = ("create the entry '%s'"):format(entry_name(entry))
  local made = call_server(what, "POST", fill_path("/api/v1/vault/{id}/entry", vault_id), nil, {
    name = entry.name, path = entry.path or "", type = entry.type or "Credential", subType = entry.subType,
    description = entry.description or "", tags = entry.tags, data = entry.data,
  }, options.sending)
  if type(made.id) ~= "string" then
    raise_server_failure(what, {
      kind = "unknown_outcome", status = 200, message = "the answer has no id of the new entry",
    })
  end
  local stored = task.all { function() return read_server_entry(what, vault_id, made.id) end, options.beside }
  delete_when_misplaced(what, vault_id, entry, stored)
  check_secret_is_shown(what, stored)
  return check_entry_read_back(what, entry, stored)
end

local function check_entry_unchanged(what, vault_id, entry)
  local before, known = read_server_entry(what, vault_id, entry.id), as_read[entry]
  if before.modifiedOn == entry.modifiedOn and (not known or contains_members(known, before)) then return end
  fail.raise {
    kind = "conflict", what = what, why = "somebody changed it after it was read",
    fix = "Run this again: it starts from the entry as it is now.",
  }
end

--- Replace an entry that was read with `entry` and then changed. Raises "conflict" when somebody else has changed the
--- entry since. Returns the entry as it is afterwards. Waits.
---@param vault_id string
---@param entry devolutions.entry
---@param options { just_read: boolean?, sending: nil|fun() }? just_read: the entry was read a moment ago, without
--- waiting since, so it is not read once more; sending: called for each try when it leaves, and may raise to stop it
---@return devolutions.entry
function M.replace_entry(vault_id, entry, options)
  local what = ("change the entry '%s'"):format(entry_name(entry))
  options = options or {}
  if not options.just_read then check_entry_unchanged(what, vault_id, entry) end
  call_server(what, "PUT", fill_path("/api/v1/vault/{id}/entry/{id}", vault_id, entry.id), nil, {
    name = entry.name, path = entry.path, type = entry.type, subType = entry.subType,
    description = entry.description, tags = entry.tags, data = entry.data,
  }, options.sending)
  local stored = read_server_entry(what, vault_id, entry.id)
  check_folder(what, entry, stored, "")
  check_secret_is_shown(what, stored)
  return check_entry_read_back(what, entry, stored)
end

--- Delete an entry. No failure when it is gone already. Waits.
---@param vault_id string
---@param id string
function M.delete_entry(vault_id, id)
  local what = ("delete the entry %s"):format(id)
  local path = fill_path("/api/v1/vault/{id}/entry/{id}", vault_id, id)
  local ok, err = pcall(call_server, what, "DELETE", path)
  if not ok and not fail.is(err, "missing") then error(err, 0) end
end

return M
