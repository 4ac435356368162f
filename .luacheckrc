std = "lua54"
max_line_length = 120
exclude_files = { "build", "tests/peer/node_modules" }
files["stdlib/meta/"] = { ignore = { "211", "212", "221", "231", "241", "311", "511" } }
files["tests/"] = { std = "+busted", globals = { "SOURCE" } }
