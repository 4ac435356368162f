-- All targets of tests/crash/rotation_spec.lua, and more of their points.

assert(loadfile(SOURCE .. "/tests/crash/rotation_spec.lua", "t", _ENV))("all")
