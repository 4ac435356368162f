--- What is true of all commands: their groups, the options that each has, exit statuses, files and environment. The
--- help, the manual pages and the completion are made of this and of each command's declaration.

local M = {}

---@class manual.argument a word of the command line that is no option
---@field name string
---@field help string
---@field optional boolean?
---@field many boolean?
---@field complete manual.values? what may come in its place

---@class manual.option
---@field name string "--confirm"
---@field short string? "-v"
---@field value string? placeholder of its value; without one it is a flag
---@field many boolean? may be given several times
---@field help string
---@field complete manual.values? what its value may be; by default files for FILE and PATH, folders for DIR

--- Words that may come in a place of the command line: these words; or what there is on this machine.
---@alias manual.values string[]|"commands"|"files"|"folders"|"profiles"|"scripts"|"jobs"|"policies"|"notices"|"sinks"

---@class manual.group
---@field title string
---@field commands string[]

--- The groups of the commands, in the order of the help.
---@type manual.group[]
M.groups = {
  { title = "Begin", commands = { "init", "config", "login", "logout", "whoami", "emulator" } },
  { title = "Set up Devolutions PAM", commands = { "plan", "apply", "verify", "destroy", "handover" } },
  { title = "Rotate passwords and secrets", commands = { "rotate", "rehearse", "new", "journal" } },
  { title = "Find out",
    commands = { "status", "doctor", "discover", "activity", "applications", "expiring", "permissions" } },
  { title = "Tell people and machines", commands = { "report", "notify", "metrics" } },
  { title = "Write scripts", commands = { "scripts", "run", "-e", "repl", "types" } },
  { title = "Help", commands = { "help", "completion" } },
}

--- The options that every command has.
---@type manual.option[]
M.options = {
  { name = "--profile", value = "NAME", help = "use this profile of the configuration", complete = "profiles" },
  { name = "--config", value = "FILE", help = "use this configuration file (~/.config/moonlatch/moonlatch.lua)" },
  { name = "--emulator", help = "run against a private emulator instead" },
  { name = "--scripts", value = "DIR", help = "look for scripts in this folder first" },
  { name = "--json", help = "write one JSON document to standard output" },
  { name = "--yes", help = "do not ask before changes" },
  { name = "--quiet", short = "-q", help = "leave out notes and progress" },
  { name = "--verbose", short = "-v", help = "also print each request, and the traceback of errors" },
  { name = "--no-color", help = "write without colours" },
  { name = "--help", short = "-h", help = "show this help" },
  { name = "--version", help = "show the version" },
}

--- One row of a list in the help and in the manual pages: its head, and what it means.
---@class manual.row
---@field [1] string
---@field [2] string

---@type manual.row[]
M.statuses = {
  { "0", "done; nothing is left to do" },
  { "1", "failed, refused, or waiting for a person" },
  { "2", "the command line is wrong; nothing was done" },
  { "3", "something is to be done, has drifted, or could not be looked at" },
}

---@type manual.row[]
M.files = {
  { "~/.config/moonlatch/moonlatch.lua", "the configuration: profiles; see moonlatch.lua(5)" },
  { "~/.config/moonlatch/scripts/", "scripts and policies of your own, found before the bundled ones of their names" },
  { "~/.local/state/moonlatch/", "the journals, one folder for each tenant" },
  { "/etc/moonlatch/moonlatch.lua", "the configuration that the systemd units use, with scripts/ beside it" },
  { "/var/lib/moonlatch/", "the journal of the systemd units" },
}

---@type manual.row[]
M.environment = {
  { "HOME", "the folder that holds .config and .local" },
  { "XDG_CONFIG_HOME", "in place of ~/.config" },
  { "XDG_STATE_HOME", "in place of ~/.local/state" },
  { "TMPDIR", "the folder for private temporary files (/tmp)" },
  { "NO_COLOR", "when set: no colours" },
  { "TERM", "the kind of terminal; dumb: no colours" },
  { "VISUAL", "and EDITOR: the editor of config edit, with its options" },
  { "PAGER", "less or more, with options, for a long list on a terminal; empty or cat: none" },
  { "CREDENTIALS_DIRECTORY", "where systemd puts what LoadCredential= names" },
  { "IDENTITY_ENDPOINT", "and IDENTITY_HEADER: the managed identity of an Azure App Service" },
}

--- What is worth knowing of the environment besides.
M.environment_note = "Credentials in AZURE_* variables are ignored: only the profile says how to sign in. "
  .. "Proxies come from the profile, too."

---@type string[]
M.examples = {
  "moonlatch plan setup/entra-pam-provider --emulator   # try it: no tenant, no account",
  "moonlatch init                                       # a profile for a real tenant",
  "moonlatch plan setup/entra-pam-provider              # what would change",
  "moonlatch apply setup/entra-pam-provider             # do it",
  "moonlatch -e 'print(require(\"graph\").get(\"/me\").displayName)'",
}

--- The names of all commands but "-e", in the order of the help.
---@return string[]
function M.command_names()
  local names = {}
  for _, group in ipairs(M.groups) do
    for _, name in ipairs(group.commands) do
      if name ~= "-e" then names[#names + 1] = name end
    end
  end
  return names
end

return M
