--- Where a secret comes from: what a profile may say, and how the secret is read and kept.

local fail = require "fail"
local sys = require "host.sys"

local M = {}

---@class profile.source where a secret comes from
---@field from "file"|"mounted"|"keyring"|"credentials_directory"|"sealed"|"environment"|"fd"|"prompt"|"passphrase"
---@field path string? path of a file
---@field name string? name of the item in the keyring, of the credential, of the variable, or of the sealed file
---@field fd integer? an open descriptor, from which it can be read once
---@field word string? the name that `moonlatch login --secret` has for it; filled in

---------------------------------------------------------------------------
-- What may be said

local MEMBER = {
  file = "path", mounted = "path", keyring = "name", credentials_directory = "name", environment = "name", fd = "fd",
}
local EXAMPLE = { path = 'path = "…"', name = 'name = "…"', fd = "fd = 3" }

local function check_name(source)
  if source.from == "credentials_directory" and source.name:find("/", 1, true) then
    return "name is the name of a credential, without a folder"
  end
  if source.from == "environment" and not source.name:match("^[%a_][%w_]*$") then
    return ('"%s" is no name of a variable'):format(source.name)
  end
end

-- Check that the source has exactly the member that its `from` needs. `optional`: that member may be left out.
local function check_members(source, optional)
  local needed = MEMBER[source.from]
  for _, member in ipairs { "path", "name", "fd" } do
    local wanted = member == needed or optional[source.from] == member
    if source[member] ~= nil and not wanted then return ('from = "%s" has no %s'):format(source.from, member) end
  end
  if needed and source[needed] == nil and optional[source.from] ~= needed then
    return ('from = "%s" needs %s'):format(source.from, EXAMPLE[needed])
  end
  return source.name and check_name(source)
end

local function rule(choices, optional)
  return {
    type = "table",
    members = {
      from = { type = "string", required = true, choices = choices },
      path = { type = "string" }, name = { type = "string" }, fd = { type = "integer" },
    },
    check = function(source) return check_members(source, optional) end,
  }
end

--- The shape of a source of any secret.
---@type base.schema.rule
M.rule = rule({ "file", "mounted", "keyring", "credentials_directory", "sealed", "environment", "fd", "prompt" },
  { keyring = "name" })

--- The shape of a source of the journal's key.
---@type base.schema.rule
M.key_rule = rule({ "file", "mounted", "keyring", "credentials_directory", "passphrase" },
  { keyring = "name", passphrase = "fd" })

--- Fill in what follows from the rest of the profile.
---@param source profile.source?
---@param word string what it is ("client-secret"): names the sealed file and the keyring's item
---@param binding string the profile's
---@param resolve fun(path: string?): string? makes a path absolute
function M.settle(source, word, binding, resolve)
  if not source then return end
  source.path, source.word = resolve(source.path), word
  if source.from == "sealed" then source.name = word end
  if source.from == "keyring" then source.name = source.name or ("%s %s"):format(word, binding) end
end

---------------------------------------------------------------------------
-- In words

local WORDS = {
  file = function(source) return source.path end,
  mounted = function(source) return source.path end,
  keyring = function(source) return ("the keyring (%s)"):format(source.name) end,
  credentials_directory = function(source) return "the credential " .. source.name end,
  sealed = function() return "what is kept sealed" end,
  environment = function(source) return "the variable " .. source.name end,
  fd = function(source) return "file descriptor " .. source.fd end,
  prompt = function() return "the terminal" end,
  passphrase = function() return "a passphrase" end,
}

--- The source in words, for a sentence: "the keyring (…)".
---@param source profile.source
---@return string
function M.words(source) return WORDS[source.from](source) end

-- Most tools that store a value add a line end, which is dropped; nothing else is.
local STORE_AS_TEXT = "Store the value alone, as UTF-8 text: printf %s VALUE > FILE. "
  .. 'If the character belongs to it, use from = "sealed" and `moonlatch login --secret`.'

-- `kind`: of the failure to read, as sys.read_secret gives it.
local function raise(source, what, why, fix, kind)
  if kind == "text" then fix = STORE_AS_TEXT end
  fail.raise { kind = "config", what = ("read %s from %s"):format(what, M.words(source)), why = why, fix = fix }
end

---------------------------------------------------------------------------
-- Reading

-- How to put the secret there, when it is missing.
local function how_to_put(source)
  return source.word == "key" and "`moonlatch init` makes the first one; one that was there has to be brought back."
    or ("Put it there: moonlatch login --secret %s"):format(source.word)
end

---@type table<string, fun(source: profile.source, what: string, form: host.sys.form): host.secret>
local READ = {}

function READ.file(source, what, form)
  local value, message, kind = sys.read_secret(source.path, "person", form)
  if value then return value end
  local fixes = {
    missing = how_to_put(source), link = "Name the file itself: what a link leads to can be changed by others. "
      .. 'In a volume of Kubernetes, all files are links: use from = "mounted".',
    mode = ("The file must be yours and closed to others: chmod 600 '%s'."):format(source.path),
  }
  raise(source, what, message, fixes[kind], kind)
end

-- A volume that a platform fills (Secrets of Kubernetes): the name is a link into a folder that is exchanged whole,
-- and the mode is 0644, or 0440 for the group of the pod.
function READ.mounted(source, what, form)
  local value, message, kind = sys.read_secret(source.path, "platform", form)
  if value then return value end
  local fixes = {
    missing = "Check that the volume is mounted there, and the name of the key in the Secret.",
    mode = "Mount it read-only; others may read it, but nobody else may write to it.",
  }
  raise(source, what, message, fixes[kind], kind)
end

function READ.keyring(source, what)
  local value, why, kind = require("machine.keyring").read(source.name)
  if value then return value end
  if kind == "absent" then raise(source, what, why, how_to_put(source)) end
  raise(source, what, why, 'Unlock the keyring in a session of its own, or name another source: a service has '
    .. 'from = "credentials_directory", a machine without a desktop "file".')
end

function READ.credentials_directory(source, what, form)
  local folder = sys.getenv "CREDENTIALS_DIRECTORY"
  if not folder or folder:sub(1, 1) ~= "/" then
    raise(source, what, "CREDENTIALS_DIRECTORY is not set: systemd sets it for a service that has credentials",
      ("In its unit: LoadCredential=%s:/path, or LoadCredentialEncrypted=. By hand, what the units of moonlatch have: "
        .. "sudo moonlatch-operator, then what follows `moonlatch`."):format(source.name))
  end
  local value, message, kind = sys.read_secret(folder .. "/" .. source.name, "manager", form)
  if value then return value end
  raise(source, what, message, ("In the service's unit: LoadCredential=%s:/path, or LoadCredentialEncrypted=.")
    :format(source.name), kind)
end

function READ.environment(source, what)
  local value, message, kind = sys.take_env(source.name)
  if value then return value end
  raise(source, what, message or "it is not set, or empty",
    "Every process of yours can read the environment: a file descriptor or a credential is better.", kind)
end

function READ.fd(source, what, form)
  local value, message, kind = sys.read_secret_fd(source.fd, form)
  if value then return value end
  raise(source, what, message, ("Open it for this program: moonlatch … %d<file"):format(source.fd), kind)
end

function READ.prompt(source, what)
  local value, message = require("host.term").read_secret(what .. ": ")
  if value then return value end
  raise(source, what, message, 'Where there is no terminal, the profile can name another place: { from = "file", … }.')
end

function READ.sealed(source, what)
  local value = require("profile.sealed_file").read(require("profile.current").current(), source.name)
  if value then return value end
  raise(source, what, "nothing is kept there yet", how_to_put(source))
end

--- Read the value of a source. Raises "config".
---@param source profile.source
---@param what string "the client secret", for messages and the prompt
---@param form host.sys.form? "text" when absent
---@return host.secret
function M.read(source, what, form)
  return READ[source.from](source, what, form or "text")
end

---------------------------------------------------------------------------
-- Keeping

---@type table<string, fun(source: profile.source, what: string, value: host.secret): any, string?>
local WRITE = {}

function WRITE.file(source, _, value) return sys.write(source.path, value, "replace") end

function WRITE.keyring(source, what, value)
  return require("machine.keyring").write(source.name, "Moonlatch: " .. what, value)
end

function WRITE.sealed(source, what, value)
  require("profile.sealed_file").write(require("profile.current").current(), source.name, { what = what }, value)
  return true
end

--- Can we write a value where this source is read from?
---@param source profile.source
---@return boolean
function M.can_keep(source) return WRITE[source.from] ~= nil end

--- Write a value where the source is read from. Raises "config".
---@param source profile.source
---@param what string
---@param value host.secret
function M.keep(source, what, value)
  local write = WRITE[source.from]
  if not write then error(("what comes from %s is not ours to keep"):format(M.words(source)), 2) end
  local ok, why = write(source, what, value)
  if ok then return end
  fail.raise { kind = "config", what = ("keep %s in %s"):format(what, M.words(source)), why = why,
    fix = "The former value is still there. Correct what the message names, then run the same command again." }
end

return M
