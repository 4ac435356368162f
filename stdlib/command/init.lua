--- moonlatch init: a first configuration, with a key for the journal.

local check = require "profile.check"
local fail = require "fail"
local job = require "cli.job"
local log = require "log"
local profile = require "profile"
local secret = require "host.secret"
local sys = require "host.sys"
local term = require "host.term"

local KEY_SIZE = 32

local function ask_for(what)
  local text = job.is_interactive() and term.read_line(what .. ": ")
  if text and text:match("%S") then return text:match("^%s*(.-)%s*$") end
  fail.raise {
    kind = "usage", what = "make a first configuration", why = what .. " is not known",
    fix = "moonlatch init --tenant contoso.onmicrosoft.com",
  }
end

-- contoso.onmicrosoft.com -> contoso
local function name_of(tenant)
  return (tenant:match("^[^.]+"):lower():gsub("%W", "_"))
end

local TEMPLATE = [[
return {
  profiles = {
    [%q] = {
      tenant = %q,
      cloud = %q, -- or { login = "https://…", graph = "https://…", ca = "file.pem" }
      sign_in = { method = "device_code"%s },
      key = { from = "file", path = %q }, -- seals what the journal keeps: back it up, apart from the journal
      -- devolutions = { server = "https://dvls.contoso.com", app_key = "…", vault = "…",
      --   app_secret = { from = "file", path = "…" } },
      -- devolutions = { cloud = "https://contoso.devolutions.app" },
    },
  },
}
]]

local function text_of(settings)
  local client = settings.client_id and (", client_id = %q"):format(settings.client_id) or ""
  return TEMPLATE:format(settings.name, settings.tenant, settings.cloud, client, settings.key)
end

local function write(path, content, what)
  local ok, message, kind = sys.write(path, content, "new")
  if ok then return end
  fail.raise {
    kind = kind == "exists" and "conflict" or "config", what = ("write %s %s"):format(what, path), why = message,
    fix = kind == "exists" and "Nothing was overwritten. Add a profile to it by hand, or name another with --config."
      or nil,
  }
end

local function refuse_existing(file)
  if not sys.stat(file) then return end
  fail.raise {
    kind = "conflict", what = "make a first configuration", why = ("there is one already: %s"):format(file),
    fix = "Add a profile to it by hand, or name another file with --config.",
  }
end

---@type cli.command
return {
  summary = "a first configuration: a profile, and a key for its journal",
  details = "Writes the configuration file and a key file beside it; both only you can read.",
  options = {
    { name = "--tenant", value = "TENANT", help = "its domain or GUID" },
    { name = "--cloud", value = "NAME", help = "global (the default), gcc, gcc_high, dod or china" },
    { name = "--client-id", value = "ID", help = "the public client to sign in with, if not Microsoft's own" },
  },
  examples = { "moonlatch init", "moonlatch init --tenant contoso.onmicrosoft.com --profile contoso" },

  run = function(options)
    local file = options.config or check.file()
    refuse_existing(file)
    local tenant = options.tenant or ask_for("the tenant (contoso.onmicrosoft.com)")
    local name = options.profile or name_of(tenant)
    local settings = {
      name = name, tenant = tenant, cloud = options.cloud or "global", client_id = options.client_id,
      key = name .. ".key",
    }
    local folder = file:match("^(.*)/[^/]*$") or "."
    check.text(text_of(settings), file)
    sys.mkdir(folder)
    write(folder .. "/" .. settings.key, secret.generate(KEY_SIZE), "the key")
    write(file, text_of(settings), "the configuration")
    profile.load { config = file }
    log.say(("%s\n%s/%s: the journal's key. Back it up, apart from the journal."):format(file, folder, settings.key))
    log.say("Next: moonlatch whoami, then moonlatch plan setup/entra-pam-provider")
    return 0
  end,
}
