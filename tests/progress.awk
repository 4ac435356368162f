# What `ctest --verbose` writes, as one line for each file of tests when it has ended: name, tests, seconds.
# A file that takes longer than ten seconds says why in its first line: "-- takes N s: why". A file that
# failed is followed by what it wrote. `source` is the folder of the source tree, `build` the name of the build.

# The reason in the first line of a spec file.
function reason(name,   path, line) {
  path = source "/tests/" name ".lua"
  if ((getline line < path) <= 0) line = ""
  close(path)
  return match(line, /^-- takes [0-9]+ s: /) ? substr(line, 4) : "its first line does not say why it takes so long"
}

# "12: text", which test 12 wrote.
/^[0-9]+: / {
  number = $1
  text = substr($0, length(number) + 2)
  output[number] = output[number] text "\n"
  if (text ~ /^ok |^not ok /) tests[number]++
}

# " 3/99 Test #12: spec/json_spec ....   Passed    0.42 sec", or "***Failed  why", "***Timeout".
/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
  match($0, /#[0-9]+: /)
  number = substr($0, RSTART + 1, RLENGTH - 2)
  name = substr($0, RSTART + RLENGTH)
  sub(/ .*/, "", name)
  seconds = $(NF - 1)
  passed = / Passed /
  printf "%-7s  %-36s %4d tests %6.1f s%s%s\n", build, name, tests[number], seconds, passed ? "" : "  FAILED",
    (seconds > 10 ? "  (" reason(name) ")" : "")
  if (!passed) printf "%s", output[number]
  delete output[number]
  fflush()
}

# A line that is none of these is one of ctest's own: errors that keep it from starting.
/^(CMake Error|No tests|Unable|Errors? )/ { print }
