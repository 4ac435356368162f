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

local LARGEST_KEY = 16384 -- bytes of a file with a key

-- The PEM text of the key that signs tokens. It protects nothing: who asks this emulator trusts it anyway.
local function read_signing_key(path)
  local pem, message = sys.read(path, LARGEST_KEY)
  local key
  if pem then key, message = crypto.private_key(pem) end
  if key then return pem end
  fail.raise {
    kind = "usage", what = "read the key that signs the emulator's tokens from " .. path, why = message,
    fix = "Name a PEM file with an RSA key, as `openssl genrsa -out FILE 2048` makes it.",
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
