-- The worlds of tests/simulate/simulate_spec.lua, a hundred of them: five of each kind.

assert(loadfile(SOURCE .. "/tests/simulate/simulate_spec.lua", "t", _ENV))(100)
