--- Values that can be passed on but not read: passwords and tokens.
---
--- A script can tell how long a secret is (#value), and compare two (value:equals(other)) a few
--- times a run. It gives a secret to what needs one: a password to `graph.patch`, an entry to the
--- vault. The program turns it into bytes only at a place that is declared to hold a secret.

local native_secret = require "host.secret"

local M = {}

M.is = native_secret.is
M.generate = native_secret.generate

return M
