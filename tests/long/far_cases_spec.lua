-- Every case of tests/far/far_spec.lua.

assert(loadfile(SOURCE .. "/tests/far/far_spec.lua", "t", _ENV))(1)
