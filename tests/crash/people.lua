--- The people of a crash test: what is stored of their passwords, in Devolutions Server and in Vault, and whether that
--- is in force.

local stores = require "stores"
local sys = require "host.sys"

local M = {}

---------------------------------------------------------------------------
-- Devolutions Server

--- The texts of the entries, by name: lists, for there may be several of one.
---@param lane crash.lane
---@return table<string, string[]>
function M.entries(lane)
  local by_name = {}
  lane.cloud:open_server()
  for _, text in ipairs(lane.cloud:entries()) do
    local name = text:match('"name":"([^"]*)"')
    by_name[name] = by_name[name] or {}
    table.insert(by_name[name], text)
  end
  return by_name
end

---------------------------------------------------------------------------
-- A person

local function signs_in(lane, upn, passwords)
  for _, password in ipairs(passwords) do
    if lane.cloud:is_password(upn, password) then return true end
  end
  return false
end

local function passwords(lane, upn)
  local by_name, found = M.entries(lane), {}
  for place, name in ipairs { upn, upn .. " (pending)" } do
    found[place] = {}
    for i, text in ipairs(by_name[name] or {}) do found[place][i] = text:match('"password":"([^"]*)"') end
  end
  return found[1], found[2]
end

--- Once something was stored, what is in force lies in the entry or beside it, always. What is wrong, if anything.
---@param lane crash.lane
---@param upn string
---@return string?
function M.look_at_user(lane, upn)
  local current, pending = passwords(lane, upn)
  if #current > 1 then return ("%d entries of one name"):format(#current) end
  local all = table.move(pending, 1, #pending, #current + 1, table.move(current, 1, #current, 1, {}))
  if signs_in(lane, upn, all) then return nil end
  if lane.rotated or #pending > 0 and #current == 0 and lane:was_set() then
    return ("LOST: of %d stored and %d pending passwords none is in force"):format(#current, #pending)
  end
end

--- What is wrong when all must be over, if anything.
---@param lane crash.lane
---@param upn string
---@return string?
function M.whole_user(lane, upn)
  local current, pending = passwords(lane, upn)
  if #current ~= 1 then return ("%d entries instead of one"):format(#current) end
  if #pending > 0 then return ("%d pending passwords are left"):format(#pending) end
  if not signs_in(lane, upn, current) then return "LOST: what is stored is not in force" end
end

--- What one of these functions finds wrong, of these people or of all.
---@param find fun(lane: crash.lane, upn: string): string?
---@return fun(lane: crash.lane, names: string[]?): string?
function M.of_each(find)
  return function(lane, names)
    for _, upn in ipairs(names or lane.people) do
      local wrong = find(lane, upn)
      if wrong then return upn .. ": " .. wrong end
    end
  end
end

--- Find so many people who are enabled and kept in the cloud.
---@param lane crash.lane
---@param count integer
function M.find_users(lane, count)
  lane.people = {}
  for _, one in ipairs(lane.cloud:graph("/users?$top=999&$select=id,userPrincipalName,accountEnabled,"
    .. "onPremisesSyncEnabled,userType").value) do
    if one.accountEnabled and one.onPremisesSyncEnabled ~= true and one.userType == "Member" then
      lane.people[#lane.people % count + 1] = one.userPrincipalName
    end
  end
  assert(#lane.people == count)
end

--- Start the doubles of services that keep secrets, and name them in the profile.
---@param lane crash.lane
function M.start_stores(lane)
  local folder, token = lane.cloud.home .. "/stores", lane.cloud.home .. "/token"
  assert(sys.mkdir(folder))
  lane.stores = stores.start(folder)
  assert(sys.write(token, lane.stores.token, "new"))
  local config, peers = lane.cloud.ready.config, lane.stores:peers(token)
  local text = assert(sys.read(config, 65536)):gsub("emulator = { clock", peers:gsub("%%", "%%%%") .. " %0")
  assert(sys.write(config, text, "replace"))
end

---------------------------------------------------------------------------
-- A person whose password goes to two sinks: an entry, and a script's place

--- Find a person whose password goes to two sinks: an entry, and a place in Vault.
---@param lane crash.lane
function M.find_user_with_sinks(lane)
  M.start_stores(lane)
  M.find_users(lane, 1)
  lane.object_id = lane.cloud:graph("/users/" .. lane.people[1]).id
end

-- The passwords in Vault: the current one, and those that are pending.
local function passwords_in_vault(lane)
  local found, state = {}, lane.stores:state().vault
  for key, versions in pairs(state) do
    local last = versions[#versions]
    local is_its = key:find("secret/people/" .. lane.object_id, 1, true)
    if is_its and not last.deleted then
      found[#found + 1] = { value = lane.stores:held("vault", key), is_pending = key:find "%-pending" ~= nil }
    end
  end
  return found
end

--- What is in force is in Vault at every moment, too, once something was stored there.
---@param lane crash.lane
---@param upn string
---@return string?
function M.look_at_user_in_both(lane, upn)
  local wrong = M.look_at_user(lane, upn)
  if wrong then return "the entry: " .. wrong end
  local all = {}
  for i, one in ipairs(passwords_in_vault(lane)) do all[i] = one.value end
  if lane.rotated and not signs_in(lane, upn, all) then
    return ("LOST: of %d passwords in Vault none is in force"):format(#all)
  end
end

--- The same as whole_user, in both sinks.
---@param lane crash.lane
---@param upn string
---@return string?
function M.whole_user_in_both(lane, upn)
  local wrong = M.whole_user(lane, upn)
  if wrong then return "the entry: " .. wrong end
  local all = passwords_in_vault(lane)
  if #all ~= 1 or all[1].is_pending then return ("%d passwords are in Vault instead of one"):format(#all) end
  if not signs_in(lane, upn, { all[1].value }) then return "LOST: what is in Vault is not in force" end
end

return M
