--- The manual pages: of the program, of each command, of the configuration, of policies, and of what scripts may use.

local common = require "manual.common"
local command_help = require "manual.command_help"
local interfaces = require "script.interfaces"
local members = require "manual.members"
local members_of = require "manual.members_of"
local policy_declaration = require "policy.declaration"
local profile_rules = require "profile.rules"
local reference = require "script.reference"
local roff = require "manual.roff"
local script = require "script.load"
local sets = require "base.sets"
local sys = require "host.sys"
local time = require "time"

local M = {}

-- The day of the pages: that of the source (https://reproducible-builds.org/specs/source-date-epoch/), or today.
local function day_of_pages()
  local epoch = math.tointeger(tonumber(sys.getenv "SOURCE_DATE_EPOCH"))
  return time.day(epoch or time.now())
end

local function new_page(name, section, summary)
  return roff.page { name = name, section = section, summary = summary, date = day_of_pages(),
    version = sys.version() }
end

local function add_rows(page, title, rows)
  page:section(title)
  for _, row in ipairs(rows) do page:item(roff.bold(row[1]), row[2]) end
end

local function page_name(command) return "moonlatch-" .. (command == "-e" and "e" or command) end

-- Add "SEE ALSO": names of pages with their sections.
local function add_see_also(page, list)
  page:section "See also"
  for i, name in ipairs(list) do
    local base, section = name:match "^(.+)(%(%d%))$"
    page:add(("\\fB%s\\fR%s%s"):format(roff.plain(base), section, i < #list and "," or ""))
  end
end

---------------------------------------------------------------------------
-- Commands

local function option_head(option)
  local head = (option.short and roff.bold(option.short) .. ", " or "") .. roff.bold(option.name)
  return option.value and head .. " " .. roff.italic(option.value) or head
end

local function add_options(page, options)
  for _, option in ipairs(options) do page:item(option_head(option), option.help) end
end

local function add_surroundings(page)
  add_rows(page, "Exit status", common.statuses)
  add_rows(page, "Files", common.files)
  add_rows(page, "Environment", common.environment)
  page:text(common.environment_note)
end

local function program_page(load)
  local page = new_page("moonlatch", 1, "scriptable, safe power over Microsoft Entra ID and Devolutions PAM")
  page:section "Synopsis"
  page:add(roff.bold "moonlatch" .. " " .. roff.italic "COMMAND" .. " [options]")
  page:add ".br"
  page:add(roff.bold "moonlatch -e" .. " " .. roff.italic "CODE")
  page:section "Description"
  page:text("Moonlatch sets up the Entra ID provider that Devolutions PAM needs to protect privileged accounts, and\n"
    .. "keeps it working: it rotates passwords and client secrets by policy, says what expires and what is wrong,\n"
    .. "and leads a person through what only a person can do. What it does is Lua that can be read and edited.", true)
  page:section "Commands"
  for _, group in ipairs(common.groups) do
    page:part(group.title)
    for _, name in ipairs(group.commands) do
      page:item(roff.bold(page_name(name)) .. "(1)", load(name).summary)
    end
  end
  page:section "Options"
  page:text("Each command has these options, and those of its own page.", true)
  add_options(page, common.options)
  add_surroundings(page)
  page:section "Examples"
  page:code(common.examples, true)
  add_see_also(page, { "moonlatch.lua(5)", "moonlatch-policy(5)", "moonlatch-scripts(7)" })
  return page:whole()
end

-- Add the arguments of the script that a command always runs.
local function add_script_arguments(page, command)
  local declaration = script.load(command.fixed, command.fixed == "emulator/main")
  if declaration.description then page:text(declaration.description) end
  page:section "Options"
  for _, row in ipairs(require("script.arguments").rows(declaration.args)) do
    page:item(roff.bold(row[1]), row[2])
  end
end

local function command_page(name, command)
  local page = new_page(page_name(name), 1, command.summary)
  page:section "Synopsis"
  page:add(roff.bold("moonlatch " .. name) .. " " .. roff.plain((command_help.usage(command):gsub("\n%s*", " "))))
  page:section "Description"
  page:text(command.details or (command.summary:gsub("^%l", string.upper) .. "."), true)
  for _, argument in ipairs(command.arguments or {}) do
    page:item(roff.italic(argument.name:upper()), argument.help)
  end
  if command.options then
    page:section "Options"
    add_options(page, command.options)
  elseif command.fixed then
    add_script_arguments(page, command)
  end
  page:text "Options of every command, files and environment are in moonlatch(1)."
  add_rows(page, "Exit status", common.statuses)
  page:section "Examples"
  page:code(command.examples, true)
  add_see_also(page, { "moonlatch(1)", "moonlatch.lua(5)" })
  return page:whole()
end

local function operator_page()
  local page = new_page("moonlatch-operator", 8, "act as the systemd units of moonlatch do")
  page:section "Synopsis"
  page:add(roff.bold "moonlatch-operator" .. " " .. roff.italic "COMMAND" .. " [options]")
  page:section "Description"
  page:text("Runs moonlatch as its units run it: as their user, with their credentials, state and confinement, and\n"
    .. "with the configuration /etc/moonlatch/moonlatch.lua. What systemctl edit moonlatch-rotate@.service adds holds\n"
    .. "here, too. For root. Of files it sees what a unit sees: /etc/moonlatch, and /var/lib/moonlatch, in which it\n"
    .. "starts.", true)
  page:section "Exit status"
  page:text("That of moonlatch; 1 when the caller is not root, or the units are not installed.", true)
  page:section "Examples"
  page:code({ "sudo moonlatch-operator doctor", "sudo moonlatch-operator journal resume ID" }, true)
  add_see_also(page, { "moonlatch(1)", "moonlatch-journal(1)", "systemd-run(1)" })
  return page:whole()
end

---------------------------------------------------------------------------
-- Members

local function add_members(page, list, texts)
  for _, member in ipairs(list) do
    page:item(roff.bold(member.path) .. " (" .. roff.plain(members_of.type_text(member.rule)) .. ")",
      texts[member.path] or "")
  end
end

--- The members of a profile, of a policy and of a script's declaration.
---@return table<"profile"|"policy"|"script", manual.member[]>
function M.members()
  return {
    profile = members_of.list(profile_rules.profile, {
      closed = { ["peers.NAME.credential.sign_in"] = true }, named = { programs = true },
    }),
    policy = members_of.list(policy_declaration.rule),
    script = members_of.list(script.rule, { closed = { ["needs.when"] = true } }),
  }
end

local SOURCES = [[
A configuration never contains a secret: it says where the secret comes from, as a table of the form
{ from = "sealed" }. The secrets that are sealed are asked for by moonlatch login --secret NAME. With from = "file" and
"mounted" the table also has path; with "keyring", "credentials_directory" and "environment", name; with "fd", fd.]]

local function profile_page()
  local page = new_page("moonlatch.lua", 5, "the configuration of moonlatch")
  page:section "Description"
  page:text("The configuration is a file of Lua that returns a table: profiles, by name, and the name of the\n"
    .. "default one. moonlatch init writes it. Only its owner may write it. A relative path in\n"
    .. "it is relative to its folder.\n\n"
    .. "  return {\n    default = \"contoso\",\n    profiles = {\n      contoso = {\n"
    .. "        tenant = \"contoso.onmicrosoft.com\",\n        key = { from = \"keyring\" },\n"
    .. "        devolutions = { cloud = \"https://contoso.devolutions.app\" },\n      },\n    },\n  }", true)
  page:section "Members of a profile"
  add_members(page, M.members().profile, members.profile)
  page:text("The clouds are " .. table.concat(sets.sorted(profile_rules.clouds), ", ") .. ".")
  page:section "Sources of secrets"
  page:text(SOURCES, true)
  add_rows(page, "Files", common.files)
  add_see_also(page, { "moonlatch(1)", "moonlatch-init(1)", "moonlatch-config(1)", "moonlatch-login(1)" })
  return page:whole()
end

---------------------------------------------------------------------------
-- Modules

local function first_sentence(text)
  local joined = text:gsub("%s+", " ")
  return joined:match("^(.-%.) ") or joined
end

local function add_function(page, entry, is_whole)
  page:item(roff.bold(("%s(%s)"):format(entry.full, entry.parameters)),
    is_whole and entry.doc or first_sentence(entry.doc))
  if not is_whole then return end
  for _, param in ipairs(entry.params) do
    page:add ".br"
    page:add(roff.italic(param.name) .. ": " .. roff.plain(param.type)
      .. (param.text ~= "" and ", " .. roff.plain((param.text:gsub("%s+", " "))) or ""))
  end
end

local function policy_page()
  local page = new_page("moonlatch-policy", 5, "policies of moonlatch: whose credentials are rotated, and when")
  page:section "Description"
  page:text("A policy is a file of Lua that says whose passwords or client secrets are rotated, how often, within\n"
    .. "which limits, and where the new values go. Loading it only checks it. moonlatch new policy NAME writes one.\n\n"
    .. "  local policy = require \"policy\"\n\n  return policy {\n    summary = \"Tier 0 accounts, monthly\",\n"
    .. "    select = policy.users { group = \"PAM managed tier 0\" } - policy.guests(),\n"
    .. "    every = \"30d\",\n    sink = policy.devolutions.server { vault = \"Privileged\", path = \"Tier0\" },\n  }",
    true)
  page:section "Members"
  add_members(page, M.members().policy, members.policy)
  page:section "Functions"
  for _, entry in ipairs(reference.functions "policy") do add_function(page, entry, true) end
  add_see_also(page, { "moonlatch-rotate(1)", "moonlatch-rehearse(1)", "moonlatch-scripts(7)" })
  return page:whole()
end

local function scripts_page()
  local page = new_page("moonlatch-scripts", 7, "what scripts of moonlatch declare, and the modules they may use")
  page:section "Description"
  page:text("A script is a file of Lua that returns its declaration. It may require the modules below, and reach\n"
    .. "what it declares in needs; the gate refuses every other call. moonlatch scripts lists the scripts, and\n"
    .. "moonlatch scripts show NAME prints one to begin with. At the prompt (moonlatch repl), help(graph.get) shows\n"
    .. "the whole description of a function.", true)
  page:section "Declaration"
  add_members(page, M.members().script, members.script)
  page:section "Modules"
  for _, name in ipairs(interfaces.names()) do
    page:part(name)
    page:text(reference.module(name).doc, true)
    for _, entry in ipairs(reference.functions(name)) do
      if entry.full ~= name then add_function(page, entry, false) end
    end
  end
  add_see_also(page, { "moonlatch-run(1)", "moonlatch-scripts(1)", "moonlatch-policy(5)" })
  return page:whole()
end

--- All manual pages: "man1/moonlatch.1" -> its text.
---@param load fun(name: string): cli.command the command of this name
---@return table<string, string>
function M.files(load)
  local files = {
    ["man1/moonlatch.1"] = program_page(load), ["man5/moonlatch.lua.5"] = profile_page(),
    ["man5/moonlatch-policy.5"] = policy_page(), ["man7/moonlatch-scripts.7"] = scripts_page(),
    ["man8/moonlatch-operator.8"] = operator_page(),
  }
  for _, group in ipairs(common.groups) do
    for _, name in ipairs(group.commands) do
      files[("man1/%s.1"):format(page_name(name))] = command_page(name, load(name))
    end
  end
  return files
end

return M
