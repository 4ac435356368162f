-- The sweep of tests/spec/refresh_crash_spec.lua, at every system call.

assert(loadfile(SOURCE .. "/tests/spec/refresh_crash_spec.lua", "t", _ENV))(1)
