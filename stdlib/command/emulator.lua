--- moonlatch emulator: serve an emulated tenant, Devolutions Server and Devolutions Cloud on this machine.

local crypto = require "host.crypto"
local fail = require "fail"
local fixed = require "command.fixed"
local secret = require "host.secret"
local sys = require "host.sys"

local ROOM = 16 -- MiB for secrets: all passwords of the tenant and all that its vaults hold

local NAME = "emulator/main"
local EXAMPLES = { "moonlatch emulator", "moonlatch emulator --devolutions cloud",
  "moonlatch emulator --users 1000 --seed 7" }

-- The key that signs tokens, from a PEM file that holds the key and its certificate.
local function read_signing_key(path)
  local content <close>, message, kind = sys.read_secret(path, "person", true)
  local key
  if content then key, message = crypto.certificate(content) end
  if key then return key end
  fail.raise {
    kind = "usage", what = "read the key that signs the emulator's tokens from " .. path, why = message,
    fix = kind == "mode" and ("The key is a secret: chmod 600 '%s'."):format(path)
      or "Name a PEM file with an RSA key and its certificate, as openssl req -x509 -newkey rsa:2048 -nodes makes it.",
  }
end

---@type cli.command
return {
  summary = "serve an emulated Entra tenant, Devolutions Server and Devolutions Cloud on this machine",
  script = "fixed",
  examples = EXAMPLES,
  help = fixed.help(NAME, "emulator", EXAMPLES),

  run = function(options)
    secret.room(ROOM)
    local declaration, args = fixed.load(NAME, options)
    args.signing_key = args.signing_key and read_signing_key(args.signing_key)
    return declaration.run(args) or 0
  end,
}
