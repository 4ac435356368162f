--- moonlatch whoami: sign in and say as whom.

local http = require "http"
local json = require "host.json"
local log = require "log"
local oauth = require "oauth"
local report = require "report"
local session = require "session"
local task = require "task"
local time = require "time"

local function list(words)
  return #words > 0 and table.concat(words, " ") or "none"
end

-- What a person once consented to comes back in every token of that client, whoever asks for less: after a
-- setup that is more than looking around needs. What only reads is no reason for a word.
local function left_behind(principal)
  local asked, found = {}, {}
  for _, scope in ipairs(oauth.scopes()) do asked[scope] = true end
  for _, scope in ipairs(principal.scopes) do
    local changes = scope:find("ReadWrite", 1, true) or scope:find("AccessAsUser", 1, true)
    if changes and not asked[scope] then found[#found + 1] = scope end
  end
  return found
end

local function show_left(principal, left)
  if #left == 0 then return end
  log.say(("  left behind %s\n"
    .. "              These were consented to earlier, were not asked for now, and are in every sign-in with this\n"
    .. "              client (%s). If nothing needs them any more, take the\n"
    .. "              consent back: Enterprise applications, that client, Permissions."):format(list(left),
    principal.appid or "its id is not said"))
end

local function show(profile)
  local principal, ends = oauth.sign_in(profile), oauth.expires()
  local left = left_behind(principal)
  for _, name in ipairs { "scopes", "roles", "wids" } do json.array(principal[name]) end
  if log.json() then
    principal.expires, principal.left_behind = time.iso(ends), json.array(left)
    return report.json(principal)
  end
  log.say(("%s (%s)"):format(principal.name, principal.kind == "app" and "application" or "person"))
  log.say("  tenant      " .. (principal.tenant or "not said"))
  log.say("  object id   " .. (principal.oid or "not said"))
  log.say("  scopes      " .. list(principal.scopes))
  log.say("  app roles   " .. list(principal.roles))
  log.say(("  token       until %s, in %s"):format(time.iso(ends), time.span(ends - time.now())))
  log.say(("  profile     %s (%s)"):format(profile.name, profile.file))
  show_left(principal, left)
end

---@type cli.command
return {
  summary = "sign in, and say as whom and with which rights",
  examples = { "moonlatch whoami", "moonlatch whoami --profile contoso --json" },

  run = function(options)
    local open <close> = session.start(options, { journal = false, mode = "read" })
    task.run(http.poll, show, open.profile)
    return 0
  end,
}
