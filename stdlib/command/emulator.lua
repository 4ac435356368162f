--- moonlatch emulator: serve an emulated tenant, Devolutions Server and Devolutions Cloud on this machine.

local crypto = require "host.crypto"
local fail = require "fail"
local fixed = require "command.fixed"
local hint = require "log.hint"
local secret = require "host.secret"
local sys = require "host.sys"

local SECRET_MEMORY = 16 -- MiB, for the passwords of the tenant and the secrets of the vaults

local NAME = "emulator/main"
local EXAMPLES = { "moonlatch emulator", "moonlatch emulator --devolutions cloud",
  "moonlatch emulator --users 1000 --seed 7" }

local MOST_KEY_BYTES = 16384

-- Read the PEM text of the key that signs tokens. The key is no secret, because it protects only the emulator.
local function read_signing_key(path)
  local pem, message = sys.read(path, MOST_KEY_BYTES)
  local key
  if pem then key, message = crypto.private_key(pem) end
  if key then return pem end
  fail.raise {
    kind = "usage", what = "read the key that signs the emulator's tokens from " .. path, why = message,
    fix = hint.text("Make a key (openssl genrsa -out FILE 2048), and name that file: {moonlatch} emulator "
      .. "--signing-key FILE"),
  }
end

local function run_emulator_command(options)
  secret.room(SECRET_MEMORY)
  local declaration, args = fixed.load(NAME, options)
  args.signing_key = args.signing_key and read_signing_key(args.signing_key)
  return declaration.run(args) or 0
end

---@type cli.command
return {
  summary = "serve an emulated Entra tenant, Devolutions Server and Devolutions Cloud on this machine",
  script = "fixed",
  fixed = NAME,
  examples = EXAMPLES,
  help = fixed.help(NAME, "emulator", EXAMPLES),

  run = run_emulator_command,
}
