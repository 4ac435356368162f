--- moonlatch whoami: sign in and say as whom.

local http = require "http"
local json = require "host.json"
local log = require "log"
local report = require "report"
local session = require "session"
local task = require "task"

local function list(words)
  return #words > 0 and table.concat(words, " ") or "none"
end

local function show(profile, principal)
  for _, name in ipairs { "scopes", "roles", "wids" } do json.array(principal[name]) end
  if log.json() then return report.json(principal) end
  log.say(("%s (%s)"):format(principal.name, principal.kind == "app" and "application" or "person"))
  log.say("  tenant      " .. principal.tenant)
  log.say("  object id   " .. principal.oid)
  log.say("  scopes      " .. list(principal.scopes))
  log.say("  app roles   " .. list(principal.roles))
  log.say(("  profile     %s (%s)"):format(profile.name, profile.file))
end

---@type cli.command
return {
  summary = "sign in, and say as whom and with which rights",
  examples = { "moonlatch whoami", "moonlatch whoami --profile contoso --json" },

  run = function(options)
    local open <close> = session.start(options, { journal = false, mode = "read" })
    show(open.profile, task.run(http.poll, require("oauth").sign_in, open.profile))
    return 0
  end,
}
