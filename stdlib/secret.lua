--- Values that can be passed on but not read: host.secret under its plain name.

local native = require "host.secret"

local M = {}

M.is = native.is
M.from = native.from
M.generate = native.generate
M.random = native.random
M.redact = native.redact

return M
