--- moonlatch permissions: show the least permissions that a script needs at Graph, which of them we have, and what else
--- the script may reach.

local command_task = require "cli.command_task"
local fail = require "fail"
local hint = require "log.hint"
local json = require "host.json"
local log = require "log"
local permissions = require "permissions.least"
local permissions_needs = require "permissions.needs"
local profiles = require "profile.current"
local report = require "report"
local script = require "script.load"
local session = require "session.open"
local sets = require "base.sets"
local sink_scripts = require "rotate.sink_scripts"

local MOST_CALLS_SHOWN = 2 -- as reasons for a permission

---------------------------------------------------------------------------
-- What we have

---@class command.permissions.granted
---@field who string
---@field kind graph.required.kind
---@field difference permissions.difference
---@field roles permissions.difference? of a person

local function compare_roles_with_ours(least, held)
  if held.kind ~= "delegated" then return nil end
  local difference = permissions.compare(least, "roles", require("permissions.granted").roles(held))
  for _, name in ipairs(require("permissions.granted").roles(held)) do
    if name == "Global Administrator" then difference.missing, difference.blocked = {}, {} end
  end
  return difference
end

local function compare_with_token(least)
  local held = require("permissions.granted").holder_of_token()
  local difference = permissions.compare(least, held.kind, sets.sorted(held.token))
  return {
    who = held.principal.name, kind = held.kind, difference = difference, roles = compare_roles_with_ours(least, held),
  }
end

-- Does a person have to sign in first?
local function needs_sign_in_to_compare(profile)
  local token_cache = require "oauth.token_cache"
  return profile.kind == "real" and token_cache.is_personal(profile) and not token_cache.about(profile)
end

local function compare_permissions_in_session(options, least)
  local open <close> = session.start(options, { owner = "moonlatch permissions", journal = false, mode = "read" })
  if needs_sign_in_to_compare(open.profile) then return nil, hint.text "nobody is signed in: {moonlatch} login" end
  return command_task.run(compare_with_token, least)
end

-- Compare the least permissions with ours. Returns nil and the reason when ours are unknown.
local function compare_permissions_with_ours(options, least)
  if options.offline then return nil, "--offline" end
  if not options.emulator and not options.config and not require("host.sys").stat(require("profile.file").file()) then
    return nil, "there is no profile"
  end
  local ok, found, why = pcall(compare_permissions_in_session, options, least)
  profiles.use(nil)
  if ok then return found, why end
  if fail.is(found) and found.kind ~= "interrupted" and found.kind ~= "usage" then return nil, tostring(found) end
  error(found, 0)
end

---------------------------------------------------------------------------
-- Output

local function abbreviate_graph_calls(entries)
  if #entries <= MOST_CALLS_SHOWN or log.verbose() then return table.concat(entries, ", ") end
  return ("%s and %d more"):format(table.concat(entries, ", ", 1, MOST_CALLS_SHOWN), #entries - MOST_CALLS_SHOWN)
end

local function print_permission_section(title, least, kind)
  log.prose(title)
  for _, name in ipairs(least[kind]) do
    log.prose(("  %s\n      %s"):format(name, abbreviate_graph_calls(permissions.reasons(least, kind, name))))
  end
  if #least[kind] == 0 then log.prose("  none") end
  if kind ~= "roles" and #least.unavailable[kind] > 0 then
    log.prose("  not possible so: " .. abbreviate_graph_calls(least.unavailable[kind]))
  end
end

local function print_unknown_calls(least)
  if #least.roles_unknown > 0 then log.prose("  not known for " .. abbreviate_graph_calls(least.roles_unknown)) end
  if #least.unknown > 0 then log.prose("\nNothing is known of " .. abbreviate_graph_calls(least.unknown)) end
  for _, note in ipairs(least.notes) do log.prose("\n" .. note) end
end

local function permission_names_or_nothing(names) return #names > 0 and table.concat(names, ", ") or "nothing" end

local function print_permission_difference(held, why)
  if not held then return log.prose("\nNot compared with what we have: " .. why) end
  local is_app = held.kind == "application"
  log.prose(("\n%s (%s)"):format(held.who, is_app and "application" or "person"))
  log.prose("  lacks         " .. permission_names_or_nothing(held.difference.missing))
  log.prose("  needs not     " .. permission_names_or_nothing(held.difference.needless))
  if held.roles then log.prose("  lacks roles   " .. permission_names_or_nothing(held.roles.missing)) end
end

-- What the script declares besides calls of Graph, as lines: "peers.vault: POST /v1/{path+} (secrets data.*)". The
-- sinks of a policy are scripts of their own.
local function other_needs_of(declaration, found)
  local list, sinks = {}, {}
  for _, line in ipairs(permissions_needs.lines(declaration.needs)) do
    if not line:find("^graph: ") and not line:find("^scopes: ") then list[#list + 1] = line end
  end
  if declaration.policy then sink_scripts.load(declaration.policy, found.path, sinks) end
  for _, sink in ipairs(sinks) do
    for _, line in ipairs(permissions_needs.lines(sink.needs)) do list[#list + 1] = sink.owner .. ": " .. line end
  end
  table.sort(list)
  return list
end

local function print_other_needs(others)
  if #others == 0 then return end
  log.prose "\nBesides Graph"
  for _, line in ipairs(others) do log.prose("  " .. line) end
end

local function print_permissions(name, least, others, held, why)
  log.prose(("%s: %d calls of Graph\n"):format(name, #least.needs + #least.unknown))
  print_permission_section("As an application", least, "application")
  print_permission_section("\nAs a person (delegated)", least, "delegated")
  print_permission_section("\nWeakest directory roles of that person", least, "roles")
  print_unknown_calls(least)
  print_other_needs(others)
  print_permission_difference(held, why)
end

local function difference_as_json(difference)
  if not difference then return nil end
  for _, part in ipairs { "missing", "blocked", "needless" } do json.array(difference[part]) end
  return difference
end

local function print_permissions_as_json(name, least, others, held, why)
  local calls = json.array {}
  for i, need in ipairs(least.needs) do
    local row = need.row
    calls[i] = { declared = need.entry, call = row.call, application = json.array(row.application),
      delegated = json.array(row.delegated), roles = row.roles and json.array(row.roles), source = row.source }
  end
  report.json {
    script = name, application = json.array(least.application), delegated = json.array(least.delegated),
    roles = json.array(least.roles), calls = calls, unknown = json.array(least.unknown),
    roles_unknown = json.array(least.roles_unknown), notes = json.array(least.notes),
    not_possible = { application = json.array(least.unavailable.application),
      delegated = json.array(least.unavailable.delegated) },
    others = json.array(others), not_compared = why,
    held = held and { who = held.who, kind = held.kind, difference = difference_as_json(held.difference),
      roles = difference_as_json(held.roles) },
  }
end

local function exit_status_of_comparison(held)
  if not held then return 0 end
  local lacks = #held.difference.missing > 0 or held.roles and #held.roles.missing > 0
  return lacks and 3 or 0
end

local function accept_script_needs(declaration, found)
  local count = require("script.growth").accept(declaration, found)
  if count == 0 then log.prose(("%s needs no more than the bundled script of its name."):format(found.path)) end
  if count > 0 then log.prose("Accepted.") end
  return 0
end

-- What the script needs with the arguments that it has by default.
local function needs_by_default(declaration, options)
  local args = {}
  for name, argument in pairs(declaration.args or {}) do args[name] = argument.default end
  if options.no_evidence then args.evidence = false end
  return script.needs(declaration, args)
end

local function run_permissions_command(options)
  local declaration, found = script.load(options.script)
  if options.accept then return accept_script_needs(declaration, found) end
  require("script.growth").show(declaration, found)
  local least = permissions.least(needs_by_default(declaration, options).graph or {})
  local held, why = compare_permissions_with_ours(options, least)
  local others = other_needs_of(declaration, found)
  if log.json() then
    print_permissions_as_json(found.name, least, others, held, why)
  else
    print_permissions(found.name, least, others, held, why)
  end
  return exit_status_of_comparison(held)
end

---@type cli.command
return {
  summary = "show the least permissions and roles that a script needs, and which of them we have",
  usage = "SCRIPT [options]",
  arguments = {
    { name = "script", help = "name or path of the script: setup/entra-pam-provider, ./mine.lua",
      complete = "scripts" },
  },
  options = {
    { name = "--offline", help = "do not sign in, and do not compare" },
    { name = "--no-evidence", help = "without what reads Entra's logs of sign-ins and changes" },
    { name = "--accept", help = "allow this copy of a bundled script to need more than the original" },
  },
  examples = {
    "moonlatch permissions setup/entra-pam-provider --offline", "moonlatch permissions ./mine.lua --profile contoso",
  },

  run = run_permissions_command,
}
