--- The sources of secrets in a profile: check them, and read and write the secrets.

local fail = require "fail"
local hint = require "log.hint"
local path_fix = require "machine.path_fix"
local schema = require "base.schema"
local sys = require "host.sys"

local M = {}

---@class profile.source where a secret comes from
---@field from "file"|"mounted"|"keyring"|"credentials_directory"|"sealed"|"environment"|"fd"|"prompt"|"passphrase"
---@field path string? path of a file
---@field name string? name of the item in the keyring, of the credential, of the variable, or of the sealed file
---@field fd integer? an open descriptor, from which the secret can be read once
---@field word string? the name of the secret for `moonlatch login --secret`; filled in by `complete`

---------------------------------------------------------------------------
-- Checking a source

local MEMBER_OF_SOURCE = {
  file = "path", mounted = "path", keyring = "name", credentials_directory = "name", environment = "name", fd = "fd",
}
local EXAMPLE_OF_MEMBER = { path = 'path = "…"', name = 'name = "…"', fd = "fd = 3" }

local function check_source_name(source)
  if source.from == "credentials_directory" and source.name:find("/", 1, true) then
    return "name has a folder in it", 'Write the name of the credential alone, as LoadCredential has it: name = "…".'
  end
  if source.from == "environment" and not source.name:match("^[%a_][%w_]*$") then
    return ('"%s" cannot be the name of an environment variable'):format(source.name),
      "Use letters, digits and _, and no digit first."
  end
end

-- Check that the source has exactly the member that its `from` needs. `optional`: that member may be left out.
local function check_source_members(source, optional)
  local needed = MEMBER_OF_SOURCE[source.from]
  for _, member in ipairs { "path", "name", "fd" } do
    local wanted = member == needed or optional[source.from] == member
    if source[member] ~= nil and not wanted then
      return ('from = "%s" has no %s'):format(source.from, member), ("Remove %s from it."):format(member)
    end
  end
  if needed and source[needed] == nil and optional[source.from] ~= needed then
    return ('from = "%s" needs %s'):format(source.from, EXAMPLE_OF_MEMBER[needed]),
      ("Add %s to it."):format(EXAMPLE_OF_MEMBER[needed])
  end
  if source.name then return check_source_name(source) end
end

local function new_source_rule(choices, optional)
  return {
    type = "table",
    fix = function()
      return hint.text('Name the place that the secret comes from, not the secret: { from = "sealed" }, then '
        .. "{moonlatch} login --secret.")
    end,
    members = {
      from = { type = "string", required = true, choices = choices },
      path = { type = "string" }, name = { type = "string" }, fd = { type = "integer" },
    },
    check = function(source) return check_source_members(source, optional) end,
  }
end

--- The rule for the source of a secret.
---@type base.schema.rule
M.rule = new_source_rule(
  { "file", "mounted", "keyring", "credentials_directory", "sealed", "environment", "fd", "prompt" },
  { keyring = "name" })

--- The rule for the source of a secret that has to be there.
---@type base.schema.rule
M.required_rule = schema.copy_fields(M.rule)
M.required_rule.required = true

--- The rule for the source of the journal's key.
---@type base.schema.rule
M.key_rule = new_source_rule({ "file", "mounted", "keyring", "credentials_directory", "passphrase" },
  { keyring = "name", passphrase = "fd" })

--- Complete a source: make its path absolute, and fill in the name of the sealed file or of the keyring's item.
---@param source profile.source?
---@param word string the name of the secret: "client-secret"
---@param binding string of the profile
---@param resolve fun(path: string?): string? makes a path absolute
function M.complete(source, word, binding, resolve)
  if not source then return end
  source.path, source.word = resolve(source.path), word
  if source.from == "sealed" then source.name = word end
  if source.from == "keyring" then source.name = source.name or ("%s %s"):format(word, binding) end
end

---------------------------------------------------------------------------
-- Describing

local DESCRIPTIONS = {
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

--- Describe the source, as a part of a sentence: "the keyring (…)".
---@param source profile.source
---@return string
function M.describe(source) return DESCRIPTIONS[source.from](source) end

-- The fix for a value that is not plain text. A line end at the end of a value is dropped when the value is read,
-- because most tools that store a value add a line end. Other characters are not dropped.
local STORE_AS_TEXT = "Store the value alone, as UTF-8 text: printf %s VALUE > FILE. "
  .. 'If the character belongs to it, use from = "sealed" and `{moonlatch} login --secret`.'

-- `kind`: of the failure to read, as sys.read_secret gives it.
local function raise_source(source, what, why, fix, kind)
  if kind == "text" then fix = hint.text(STORE_AS_TEXT) end
  fail.raise { kind = "config", what = ("read %s from %s"):format(what, M.describe(source)), why = why, fix = fix }
end

---------------------------------------------------------------------------
-- Reading a value from its source

-- A sentence that says how to store the secret in its source.
local function secret_storing_advice(source)
  if source.word == "key" then
    return hint.text "Make the first key: {moonlatch} init. If there was a key before, bring that one back instead."
  end
  if not source.word then return "Name the source that holds it." end
  return hint.text("Store it: {moonlatch} login --secret %s", source.word)
end

---@type table<string, fun(source: profile.source, what: string, form: host.sys.form): host.secret>
local READERS = {}

function READERS.file(source, what, form)
  local value, message, kind = sys.read_secret(source.path, "person", form)
  if value then return value end
  local fixes = {
    missing = secret_storing_advice(source),
    link = "Name the file itself, because others can change what a link leads to. "
      .. 'In a volume of Kubernetes, all files are links: use from = "mounted".',
    mode = ("Close the file to other users: chmod 600 '%s'"):format(source.path),
    owner = ("Give the file to the user that runs Moonlatch: sudo chown %s '%s'"):format(sys.user(), source.path),
    type = "Name the file that holds it in `path` of the profile.", io = path_fix.read(source.path),
  }
  raise_source(source, what, message, fixes[kind], kind)
end

-- A volume that a platform fills (Secrets of Kubernetes): the name is a link into a folder that is exchanged whole,
-- and the mode is 0644, or 0440 for the group of the pod.
function READERS.mounted(source, what, form)
  local value, message, kind = sys.read_secret(source.path, "platform", form)
  if value then return value end
  local fixes = {
    missing = "Check that the volume is mounted there, and the name of the key in the Secret.",
    mode = "Mount it read-only; others may read it, but nobody else may write to it.",
  }
  raise_source(source, what, message, fixes[kind], kind)
end

function READERS.keyring(source, what)
  local value, why, kind = require("machine.keyring").read(source.name)
  if value then return value end
  if kind == "absent" then raise_source(source, what, why, secret_storing_advice(source)) end
  raise_source(source, what, why, 'Unlock the keyring and run the same command again. A service needs '
    .. 'from = "credentials_directory" in the profile, a machine without a desktop from = "file".')
end

function READERS.credentials_directory(source, what, form)
  local folder = sys.getenv "CREDENTIALS_DIRECTORY"
  if not folder or folder:sub(1, 1) ~= "/" then
    raise_source(source, what, "CREDENTIALS_DIRECTORY is not set: systemd sets it for a service that has credentials",
      ("For a service, add LoadCredential=%s:/path to its unit. To act by hand with the credentials of the installed "
        .. "units: sudo moonlatch-operator, then what follows `moonlatch`."):format(source.name))
  end
  local value, message, kind = sys.read_secret(folder .. "/" .. source.name, "manager", form)
  if value then return value end
  raise_source(source, what, message, ("Add LoadCredential=%s:/path (or LoadCredentialEncrypted=) to the service's "
    .. "unit, then restart the service."):format(source.name), kind)
end

function READERS.environment(source, what)
  local value, message, kind = sys.take_env(source.name)
  if value then return value end
  raise_source(source, what, message or "it is not set, or empty",
    ("Set the variable %s for this command. Better, because every process of yours can read the environment: name "
      .. "another source in the profile, such as { from = \"sealed\" }."):format(source.name), kind)
end

function READERS.fd(source, what, form)
  local value, message, kind = sys.read_secret_fd(source.fd, form)
  if value then return value end
  raise_source(source, what, message, ("Open the file for it: add %d<FILE to the same command.")
    :format(source.fd), kind)
end

function READERS.prompt(source, what)
  local value, why, fix = require("machine.typed_secret").ask(what .. ": ",
    'Without a terminal, name another source in the profile: { from = "file", path = "…" }.')
  return value or raise_source(source, what, why, fix)
end

function READERS.sealed(source, what)
  local value = require("profile.sealed_file").read(require("profile.current").current(), source.name)
  if value then return value end
  raise_source(source, what, "nothing is kept there yet", secret_storing_advice(source))
end

--- Read the value of a source. Raises "config".
---@param source profile.source
---@param what string "the client secret", for messages and the prompt
---@param form host.sys.form? "text" when absent
---@return host.secret
function M.read(source, what, form)
  return READERS[source.from](source, what, form or "text")
end

---------------------------------------------------------------------------
-- Writing a value to its source

---@type table<string, fun(source: profile.source, what: string, value: host.secret): any, string?>
local WRITERS = {}

function WRITERS.file(source, _, value) return sys.write(source.path, value, "replace") end

function WRITERS.keyring(source, what, value)
  return require("machine.keyring").write(source.name, "Moonlatch: " .. what, value)
end

function WRITERS.sealed(source, what, value)
  require("profile.sealed_file").write(require("profile.current").current(), source.name, { what = what }, value)
  return true
end

--- Can a value be written to this source?
---@param source profile.source
---@return boolean
function M.is_writable(source) return WRITERS[source.from] ~= nil end

--- Write a value to its source. Raises "config".
---@param source profile.source
---@param what string the name of the secret: "the client secret"
---@param value host.secret
function M.write(source, what, value)
  local write = WRITERS[source.from]
  if not write then error(("a secret cannot be written to %s"):format(M.describe(source)), 2) end
  local ok, why = write(source, what, value)
  if ok then return end
  fail.raise { kind = "config", what = ("keep %s in %s"):format(what, M.describe(source)), why = why,
    fix = "The former value is still there. " .. (source.path and path_fix.write(source.path)
      or "Unlock the keyring, then run the same command again.") }
end

return M
