--- What a script may require: the one list. What stands at the top of stdlib is on it, and nothing else of the
--- library but the resources that setup steps use.

local M = {}

---@class script.interface how values cross the border there
---@field arguments "copied"|"kept"|"as they are" copied: tables of the script are copied, deep; kept: a table in
--- which nothing has to be converted stays the same table, for what belongs to one run; as they are: nothing is
--- looked at, for modules that only hand the script's values back to it
---@field depth number how deep results are searched for objects of the library
---@field raw boolean? nothing is converted: values are texts, numbers and plain tables only

local COPIED = { arguments = "copied", depth = math.huge }
local KEPT = { arguments = "kept", depth = math.huge } -- what the steps of a run hand to each other
local ANSWERS = { arguments = "copied", depth = 0 } -- results are JSON
local PLAIN = { arguments = "as they are", depth = 0, raw = true } -- functions of texts, numbers and JSON
local OWN = { arguments = "as they are", depth = 3 } -- depth: an outcome's failure

---@type table<string, script.interface>
M.interfaces = {
  certificate = KEPT, devolutions = KEPT, discover = COPIED, doctor = COPIED, fail = OWN, folder = COPIED,
  graph = ANSWERS, json = PLAIN, log = PLAIN, policy = COPIED, program = COPIED, rehearse = COPIED, report = PLAIN,
  rotation = KEPT, secret = COPIED, sink = KEPT,
  task = OWN, time = PLAIN, workflow = COPIED,

  ["entra.admin"] = KEPT, ["entra.api_permissions"] = KEPT, ["entra.application"] = KEPT, ["entra.consent"] = KEPT,
  ["entra.directory_role"] = KEPT, ["entra.owner"] = KEPT, ["entra.reach"] = KEPT,
  ["entra.service_principal"] = KEPT,
  ["setup.first_reset"] = KEPT, ["setup.preflight"] = KEPT, ["setup.rotator"] = KEPT,
}

--- What the emulator's own files may require besides: they are the far side, in a process of its own that has no
--- profile, no session and no door. They serve, sign tokens and know Microsoft's data.
---@type table<string, true>
M.of_emulator = {
  ["base.crypto"] = true, ["base.fact_tables"] = true, ["http.server"] = true, ["machine.private_folder"] = true,
  ["report.document"] = true, ["secret.emulator"] = true, ["time.clock"] = true,
}

-- What somebody may have meant who asks for a part of the inside.
local MEANT = {
  http = "graph", oauth = "graph", session = "graph", journal = "rotation", machine = "secret", cli = "log",
  terminal = "report", permissions = "fail", explain = "fail", rotate = "policy", handover = "sink",
}

--- How values cross the border at an interface; nil for what is none.
---@param name string
---@return script.interface?
function M.of(name) return M.interfaces[name] end

--- Names of the modules that a script may require, sorted.
---@return string[]
function M.names()
  local names = {}
  for name in pairs(M.interfaces) do names[#names + 1] = name end
  table.sort(names)
  return names
end

--- The interface to use in place of a module that scripts may not require; nil where nothing comes near.
---@param name string
---@return string?
function M.meant(name)
  local plain = name:match("^host%.(.+)$") or name
  local room = plain:match("^[^.]+")
  for _, near in ipairs { plain, room, MEANT[room] } do
    if M.interfaces[near] then return near end
  end
end

return M
