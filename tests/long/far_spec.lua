-- The plays of tests/far/together_spec.lua, fifty rounds of each.

assert(loadfile(SOURCE .. "/tests/far/together_spec.lua", "t", _ENV))(50, 6)
