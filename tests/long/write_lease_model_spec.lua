-- takes 15 s: 190,000 states
--- The model of tests/spec/write_lease_model_spec.lua, where each machine runs once more after it failed or was killed.

assert(loadfile(SOURCE .. "/tests/spec/write_lease_model_spec.lua", "t", _ENV))(2)
