--- Secrets for the emulator, which is the far side: it receives them as text, makes them, and
--- checks them. No other script may require this module.

local native = require "host.secret"

local M = {}

M.is = native.is
M.from = native.from
M.generate = native.generate
M.redact = native.redact
M.equals = native.equals
M.hint = native.hint
M.classes = native.classes

return M
