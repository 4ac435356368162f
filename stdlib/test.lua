--- Tests of scripts: a file beside a script, which runs the script on a fresh emulated tenant and checks what it did.
--- `moonlatch scripts test NAME` runs NAME_test.lua.
--
--   local test = require "test"
--   return test {
--     summary = "what stale-passwords lists",
--     cases = {
--       { what = "lists nobody while all passwords are young", run = function(t)
--         local outcome = t:run { older_than = "9000d" }
--         t:equal(0, outcome.status)
--         t:equal({}, outcome.result)
--       end },
--     },
--   }

local test_declaration = require "test.declaration"

return setmetatable({}, { __call = function(_, fields) return test_declaration.mark(fields) end })
