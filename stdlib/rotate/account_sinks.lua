--- The sinks of the accounts of a policy: which sinks an account has, and the sinks as one (sink.password_sinks).

local border = require "script.border"
local fail = require "fail"
local json = require "host.json"
local lua_file = require "base.lua_file"
local password_sinks = require "sink.password_sinks"
local passwords = require "sink.passwords"
local rights = require "task.rights"
local scheduler = require "task.scheduler"
local scripted_passwords = require "sink.scripted_passwords"
local sink_scripts = require "rotate.sink_scripts"
local traceback = require "base.traceback"
local vault_folder = require "base.vault_folder"

local M = {}

---------------------------------------------------------------------------
-- Opening sinks

---@class rotate.account_sinks.context
---@field what string what is done, for messages
---@field profile profile
---@field tenant string
---@field policy string
---@field rights table<string, host.gate.rights>? of sink scripts, by the names of their rights; nil: those of the task

local function entries_of_server(loaded, context)
  local devolutions = context.profile.devolutions
  if not devolutions or not devolutions.server then
    fail.raise {
      kind = "config", what = context.what,
      why = "passwords would be stored in Devolutions Server, and the profile names none"
        .. (devolutions and ": Devolutions Cloud has no API that stores passwords" or ""),
      fix = 'Name a sink that keeps them elsewhere, such as policy.sink("sinks/vault", { path = "tier0/{id}" }); or '
        .. 'add devolutions = { server = "https://…", … } to the profile; or leave these accounts to the provider in '
        .. "Devolutions, which rotates the accounts of its PAM vault, and take them out of this policy.",
    }
  end
  local vault, path = vault_folder.vault_and_folder(loaded.args, devolutions)
  return passwords { vault = vault, path = path }
end

local function part_of_sink(loaded, key, context)
  local script_rights = context.rights and context.rights[loaded.rights_name]
  local store = loaded.kept_by == "entries" and entries_of_server(loaded, context)
    or scripted_passwords { loaded = loaded, rights = script_rights, tenant = context.tenant, policy = context.policy }
  return { store = store, key = key, rights = loaded.kept_by and script_rights or nil }
end

--- The sinks of a policy.
---@param terms policy.terms
---@param context rotate.account_sinks.context
---@return sink.PasswordSinks
function M.of_policy(terms, context)
  sink_scripts.load(terms, terms.name, {})
  local parts = {}
  for i, sink in ipairs(terms.sinks) do parts[i] = part_of_sink(sink.loaded, sink:key(), context) end
  return password_sinks(parts)
end

--- Load the sink scripts that a rotation on record uses, whatever its policy says today.
---@param row rotation.account_row
---@return { key: string, loaded: sink.loaded }[] loaded, session.script[] rights
function M.load_of_row(row)
  if not row.body.sinks then
    fail.raise {
      kind = "refused", what = "remove the pending values of " .. row.body.name,
      why = "an earlier version began this rotation, and did not record where they are",
      fix = "Leave --drop out, and delete the pending entries by hand.",
    }
  end
  local list, scripts = {}, {}
  for i, key in ipairs(row.body.sinks) do
    local name, fields = key:match "^(.-) ([{%[].*)$"
    list[i] = { key = key }
    list[i].loaded, scripts[i] = sink_scripts.load_one(name, json.decode(fields), row.id, ("sink[%d]"):format(i))
  end
  return list, scripts
end

--- The sinks of a rotation on record.
---@param list { key: string, loaded: sink.loaded }[] as `load_of_row` gives it
---@param context rotate.account_sinks.context
---@return sink.PasswordSinks
function M.of_row(list, context)
  local parts = {}
  for i, one in ipairs(list) do parts[i] = part_of_sink(one.loaded, one.key, context) end
  return password_sinks(parts)
end

---------------------------------------------------------------------------
-- Choosing the sink of an account

---@class policy.account a copy of an account, for the function `sink` of a policy
---@field id string object id
---@field upn string user principal name
---@field roles string[] names of the directory roles that it holds
---@field guest boolean
---@field synced boolean

local function copy_account(account)
  local names = {}
  for i, role in ipairs(account.roles) do names[i] = role.name end
  return { id = account.id, upn = account.upn, roles = names, guest = account.guest == true,
    synced = account.synced == true }
end

local function raise_wrong_choice(terms, account, why, cause)
  fail.raise {
    kind = "config", what = ("%s: choose the sink of %s"):format(terms.name, account.upn), why = why, cause = cause,
    fix = "Correct the function `sink` in the policy: it returns one of the sinks that `sinks` lists, waits for "
      .. "nothing, and ends within ten million instructions.",
  }
end

-- Ask the function of the policy: without rights, bounded, and unable to wait.
local function ask_policy(terms, account)
  local ok, chosen = rights.with(scheduler.current(), nil, scheduler.without_starting_tasks, lua_file.run_bounded,
    traceback.keep, terms.choose_sink, copy_account(account))
  if not ok then
    local why = fail.is(chosen) and chosen.why or border.without_border_line(tostring(chosen):match "^[^\n]*")
    raise_wrong_choice(terms, account, "the function `sink` failed: " .. why, chosen)
  end
  for _, sink in ipairs(terms.sinks) do
    if rawequal(sink, chosen) then return sink end
  end
  local is = chosen == nil and "nothing" or type(chosen) == "table" and "a value that is none of `sinks`"
    or "a " .. type(chosen)
  raise_wrong_choice(terms, account, "the function `sink` returned " .. is)
end

--- Let the account have the sink that the policy's function chooses for it. Without such a function it has all sinks.
---@param terms policy.terms
---@param sink sink.PasswordSinks
---@param account entra.user
function M.choose(terms, sink, account)
  if terms.choose_sink then sink:choose(account, { ask_policy(terms, account):key() }) end
end

return M
