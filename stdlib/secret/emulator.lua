--- Secrets for the emulator. The emulator plays the service, so it reads secrets as text, makes secrets, and checks
--- secrets. No other script may require this module.

local native_secret = require "host.secret"

local M = {}

M.is = native_secret.is
M.from = native_secret.from
M.generate = native_secret.generate
M.redact = native_secret.redact
M.equals = native_secret.equals
M.hint = native_secret.hint
M.classes = native_secret.classes

return M
