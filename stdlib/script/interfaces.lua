--- The list of modules that a script may require: the modules at the top of stdlib, and the resources that setup steps
--- use.

local M = {}

---@class script.interface how the border converts the values of an interface
---@field arguments "copied"|"kept"|"as they are" copied: tables of the script are copied, with the tables in them;
--- kept: a table in which no value has to be converted stays the same table, for values that belong to one run; as they
--- are: no value is converted, for modules that only pass the script's values back to the script
---@field depth number the levels of nested tables in results in which objects of the library are converted
---@field of_run table<string, true>? the functions that act with the profile and the journal of a run: their first
--- argument is the run that the step got
---@field raw boolean? no value is converted, because all values are texts, numbers and plain tables

local COPIED = { arguments = "copied", depth = math.huge }
local KEPT = { arguments = "kept", depth = math.huge } -- values that the steps of a run pass to each other
local ANSWERS = { arguments = "copied", depth = 0 } -- results are JSON, without objects
local PLAIN = { arguments = "as they are", depth = 0, raw = true } -- functions of texts, numbers and JSON
local OWN = { arguments = "as they are", depth = 3 } -- depth: an outcome's failure

-- An interface of setup steps whose named functions act for a run.
local function kept_of_run(...)
  local interface = { arguments = KEPT.arguments, depth = KEPT.depth, of_run = {} }
  for _, name in ipairs { ... } do interface.of_run[name] = true end
  return interface
end

---@type table<string, script.interface>
M.interfaces = {
  activity = COPIED, applications = COPIED, certificate = kept_of_run "ensure", devolutions = KEPT, discover = COPIED,
  doctor = COPIED, fail = OWN, folder = COPIED, graph = ANSWERS, json = PLAIN, log = PLAIN, notice = COPIED,
  peer = COPIED, policy = COPIED, program = COPIED, rehearse = COPIED, report = PLAIN,
  rotation = kept_of_run("client_secret", "certificate"), secret = COPIED,
  sink = kept_of_run("entry", "deliver"),
  task = OWN, test = COPIED, time = PLAIN, workflow = COPIED,

  ["entra.admin"] = kept_of_run "sign_in", ["entra.api_permissions"] = kept_of_run "tell_elevation",
  ["entra.application"] = KEPT, ["entra.consent"] = kept_of_run "ensure",
  ["entra.directory_role"] = kept_of_run "ensure", ["entra.owner"] = KEPT,
  ["entra.reach"] = kept_of_run("explain", "report"), ["entra.service_principal"] = KEPT,
  ["setup.first_reset"] = kept_of_run "show", ["setup.preflight"] = kept_of_run "look",
  ["setup.latest_changes"] = kept_of_run "note",
  ["setup.rotator"] = kept_of_run("look", "explain_roles", "tell_profile"),
}

--- The modules that the emulator's files may require besides. The emulator plays the services, in a process of its own
--- that has no profile, no session and no door.
---@type table<string, true>
M.of_emulator = {
  ["base.crypto"] = true, ["base.fact_tables"] = true, ["http.server"] = true, ["machine.private_folder"] = true,
  ["report.document"] = true, ["secret.emulator"] = true, ["time.clock"] = true,
}

-- The interface to suggest to a script that requires a closed module, by the room of that module.
local INTERFACE_FOR = {
  http = "graph", oauth = "graph", session = "graph", journal = "rotation", machine = "secret", cli = "log",
  terminal = "report", permissions = "fail", explain = "fail", rotate = "policy", handover = "sink",
}

--- How the border converts the values of a module; nil for a module that scripts may not require.
---@param name string
---@return script.interface?
function M.of(name) return M.interfaces[name] end

--- The names of the modules that a script may require, sorted.
---@return string[]
function M.names()
  local names = {}
  for name in pairs(M.interfaces) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The interface to suggest in the place of a module that scripts may not require; nil when none is similar.
---@param name string
---@return string?
function M.suggest(name)
  local plain = name:match("^host%.(.+)$") or name
  local room = plain:match("^[^.]+")
  for _, near in ipairs { plain, room, INTERFACE_FOR[room] } do
    if M.interfaces[near] then return near end
  end
end

return M
