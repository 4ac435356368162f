--- Values that can be passed on but not read: passwords and tokens.
---
--- A script can read the length of a secret (#value), and can compare two secrets (value:equals(other)) a few times in
--- a run. A script passes a secret on: a password to `graph.patch`, an entry to the vault. The program turns a secret
--- into bytes only at a place that is declared to hold a secret.

local native_secret = require "host.secret"

local M = {}

M.is = native_secret.is
M.generate = native_secret.generate
M.base64 = native_secret.base64
M.unbase64 = native_secret.unbase64

return M
