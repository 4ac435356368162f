-- takes 80 s: 1,000 worlds at each of four shares of lost rows
--- The worlds of tests/spec/evidence_model_spec.lua, many more of them.

assert(loadfile(SOURCE .. "/tests/spec/evidence_model_spec.lua", "t", _ENV))(1000)
