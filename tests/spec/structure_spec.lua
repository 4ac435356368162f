-- The house rules that a machine can hold: who may require whom, how long a
-- file and a function may be, and that every native name is described.

local hint = require "log.hint"
local lfs = require "lfs"

local function files(folder, ending, found)
  found = found or {}
  for name in lfs.dir(folder) do
    local path = folder .. "/" .. name
    local mode = name:sub(1, 1) ~= "." and lfs.attributes(path, "mode")
    if mode == "directory" and name ~= "node_modules" then
      files(path, ending, found)
    elseif mode == "file" and name:sub(-#ending) == ending then
      found[#found + 1] = path
    end
  end
  table.sort(found)
  return found
end

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function short(path) return path:sub(#SOURCE + 2) end

local function requires(text)
  local names = {}
  text = text:gsub("%-%-[^\n]*", "") -- comments show what others may write
  for name in text:gmatch("require%s*%(?%s*[\"']([%w_.%-]+)[\"']") do names[#names + 1] = name end
  return names
end

-- Is there a module of that name? `require("graph." .. kind)` names a folder of them.
local function in_room(folder, name)
  local path = ("%s/%s/%s"):format(SOURCE, folder, (name:gsub("%.", "/")))
  if name:sub(-1) == "." then return lfs.attributes(path, "mode") == "directory" end
  return lfs.attributes(path .. ".lua", "mode") == "file"
end

-- The rooms of stdlib, from the ground up: a room is a module at the top with the folder of its name.
-- Nothing requires what stands after it.
local ORDER = {
  "fail", "time", "base", "json", "terminal", "secret", "log", "report", "task", "machine", "http", "resource",
  "explain", "profile", "oauth", "graph", "devolutions", "peer", "journal", "program",
  "folder", "entra", "permissions", "evidence", "workflow", "policy",
  "rotation", "certificate", "handover", "sink", "session", "script", "rotate", "setup", "doctor", "discover",
  "applications", "activity", "expiry", "notice", "overview", "rehearse", "test", "cli", "repl", "manual", "command",
}

local rank = {}
for i, name in ipairs(ORDER) do rank[name] = i end

local function room_of(module) return module:match("^[^.]+") end

-- The modules a text speaks of as loaded: package.loaded["oauth.sign_in"], package.loaded.graph.
local function loaded(text)
  local names = {}
  text = text:gsub("%-%-[^\n]*", "")
  for name in text:gmatch("package%.loaded%[[\"']([%w_.]+)[\"']%]") do names[#names + 1] = name end
  for name in text:gmatch("package%.loaded%.([%w_]+)") do names[#names + 1] = name end
  return names
end

describe("a command in a text", function()
  local commands, help = { ["-e"] = true, ["--help"] = true }, {}
  for _, path in ipairs(files(SOURCE .. "/stdlib/command", ".lua")) do
    local name = path:match "([%w_]+)%.lua$"
    local command = require("command." .. name)
    commands[name] = true
    if type(command) == "table" then
      for _, text in ipairs(command.examples or {}) do help[#help + 1] = text end
      for _, option in ipairs(command.options or {}) do help[#help + 1] = option.help end
      help[#help + 1] = command.details
    end
  end
  help = table.concat(help, "\n")

  -- The text of a file with the parts of each of its strings joined.
  local function joined(path) return (read(path):gsub('"%s*%.%.%s*"', "")) end

  it("exists: nobody is told to run what there is not", function()
    for _, folder in ipairs { "/stdlib", "/scripts" } do
      for _, path in ipairs(files(SOURCE .. folder, ".lua")) do
        local text = joined(path)
        for _, pattern in ipairs { "[`:] ?moonlatch ([%l-]+)", "{moonlatch} ([%l-]+)" } do
          for name in text:gmatch(pattern) do
            assert(commands[name], ("%s names the command '%s', which does not exist"):format(short(path), name))
          end
        end
      end
    end
  end)

  -- Names of what is done, and the help of the commands, show a command without the options of the run.
  local function is_shown(literal, before)
    local text = literal:gsub("\\n", "\n"):gsub('\\"', '"')
    return before:find "%f[%w]what = $" or before:find "%f[%w]owner = $" or before:find "%f[%w]source = $"
      or help:find(text, 1, true)
  end

  it("has the options of the run: it is written {moonlatch} (see log.hint)", function()
    local wrong = {}
    for _, path in ipairs(files(SOURCE .. "/stdlib", ".lua")) do
      local text = joined(path):gsub("%-%-[^\n]*", "")
      local is_skipped = path:find("/stdlib/meta/", 1, true) or path:find("/stdlib/manual/", 1, true)
      for from, literal in text:gmatch '()"([^"\n]*moonlatch [^"\n]*)"' do
        local command = literal:match "%f[%w{]moonlatch (%l+)%f[^%w]"
        if not is_skipped and command and commands[command] and not literal:find "^moonlatch journal 1"
          and not is_shown(literal, text:sub(math.max(1, from - 20), from - 1)) then
          wrong[#wrong + 1] = ("%s: %s"):format(short(path), literal)
        end
      end
    end
    assert.same({}, wrong)
  end)

  it("is not composed while a file is loaded, before the options are known", function()
    local text, early = hint.text, {}
    hint.text = function(template)
      early[#early + 1] = template
      return template
    end
    for _, path in ipairs(files(SOURCE .. "/stdlib", ".lua")) do
      if not path:find("/stdlib/meta/", 1, true) then assert(loadfile(path))() end
    end
    hint.text = text
    assert.same({}, early)
  end)
end)

describe("the rooms", function()
  it("of the library stand in one order, and none reaches up: neither when it is loaded nor later", function()
    for _, path in ipairs(files(SOURCE .. "/stdlib", ".lua")) do
      local module = short(path):match("^stdlib/(.+)%.lua$"):gsub("/", ".")
      if room_of(module) ~= "meta" then
        local mine = assert(rank[room_of(module)], short(path) .. " is in no room of the order")
        local text = read(path)
        for _, list in ipairs { requires(text), loaded(text) } do
          for _, name in ipairs(list) do
            local other = name:find("^host%.") and 0 or name == "argparse" and 0 or rank[room_of(name)]
            assert(other and other <= mine, ("%s reaches up to %s"):format(short(path), name))
          end
        end
      end
    end
  end)

  it("are listed in docs/architecture.md, in the same order", function()
    local listed = {}
    local section = read(SOURCE .. "/docs/architecture.md"):match("\n## The rooms of `stdlib`\n(.-)\n## ")
    for name in section:gmatch("\n%- `(%w+)`: ") do listed[#listed + 1] = name end
    assert.same(ORDER, listed)
  end)

  it("are entered in one direction: the library requires the library and the host, never a script", function()
    for _, path in ipairs(files(SOURCE .. "/stdlib", ".lua")) do
      for _, name in ipairs(requires(read(path))) do
        local known = name:find("^host%.") or name == "argparse" or in_room("stdlib", name)
        assert(known, short(path) .. " requires " .. name .. ", which is not in the library")
      end
    end
  end)

  it("keep scripts off the native modules and the commands", function()
    for _, path in ipairs(files(SOURCE .. "/scripts", ".lua")) do
      for _, name in ipairs(requires(read(path))) do
        assert(not name:find("^host%.") and not name:find("^command%."), short(path) .. " requires " .. name)
        assert(in_room("stdlib", name) or in_room("scripts", name),
          short(path) .. " requires " .. name .. ", which does not exist")
      end
    end
  end)

  it("let C name one Lua module", function()
    for _, path in ipairs(files(SOURCE .. "/runtime", ".c")) do
      for _, name in ipairs(requires(read(path))) do
        assert(name == "command.main", short(path) .. " requires " .. name)
      end
    end
  end)

  it("let only the gate reach the network client", function()
    for _, path in ipairs(files(SOURCE .. "/runtime", ".c")) do
      local name = short(path)
      if read(path):find('#include "http.h"', 1, true) then
        assert(name:find("^runtime/http") or name:find("^runtime/gate"), name .. " includes http.h")
      end
    end
  end)
end)

describe("names in C", function()
  -- "journal" of "runtime/journal_store.c"
  local function subject_of(path) return path:match("([%l%d]+)[_%w]*%.[ch]$") end

  -- What wipe.c replaces keeps libc's names; main and luaopen_… are for who calls them.
  local function is_free(path, name)
    return path:find("/wipe.c", 1, true) or name == "main" or name:find("^luaopen_host_")
  end

  -- The functions that a file declares or defines for others: at the beginning of a line, and not static.
  local function exported(text)
    local names = {}
    for line in text:gmatch("[^\n]+") do
      local name = line:match("^%l[%w_ *]-([%w_]+)%(")
      if name and not line:find("^static ") and not line:find("^typedef ") then names[#names + 1] = name end
    end
    return names
  end

  it("begin with the subject of their file: journal_store_commit is in journal_store.c", function()
    local count = 0
    for _, ending in ipairs { ".c", ".h" } do
      for _, path in ipairs(files(SOURCE .. "/runtime", ending)) do
        for _, name in ipairs(exported(read(path))) do
          count = count + 1
          assert(is_free(path, name) or name:find("^" .. subject_of(path) .. "_"),
            ("%s: %s does not begin with %s_"):format(short(path), name, subject_of(path)))
        end
      end
    end
    assert.is_true(count > 400)
  end)

  it("tell which headers are for one subject alone: SUBJECT_internal.h", function()
    local users = {}
    for _, ending in ipairs { ".c", ".h" } do
      for _, path in ipairs(files(SOURCE .. "/runtime", ending)) do
        for header in read(path):gmatch('#include "([%w_]+%.h)"') do
          users[header] = users[header] or {}
          users[header][subject_of(path)] = true
        end
      end
    end
    for header, subjects in pairs(users) do
      local subject = subject_of(header)
      local is_own = subjects[subject] and not next(subjects, next(subjects))
      local is_internal = header == subject .. "_internal.h"
      assert(is_own == is_internal, ("%s is included %s"):format(header,
        is_own and "by its own subject only: it is an internal header" or "by other subjects"))
    end
  end)
end)

-- A module is called by the last word of its name, or by its last two ("profile_file"), or by the plural of the last
-- where the singular is a value of it (`marker`). These are called otherwise, for a reason:
local CALLED = {
  -- the main module of a room that is no interface is called by its room
  ["expiry.look"] = "expiry", ["explain.cause"] = "explain", ["http.client"] = "http", ["oauth.sign_in"] = "oauth",
  ["permissions.least"] = "permissions", ["profile.current"] = "profiles", ["resource.new"] = "resource",
  ["script.load"] = "script", ["session.open"] = "session",
  -- beside the interface of the same name
  ["host.devolutions"] = "native_devolutions", ["host.graph"] = "native_graph", ["host.oauth"] = "native_oauth",
  ["host.journal"] = "native_journal",
  -- the checks of the doctor are called by what they check
  ["doctor.check.secret"] = "secret_check",
  -- all that the emulator sees of secrets
  ["secret.emulator"] = "secret",
}

-- In the library a name stands for one module, these aside:
local SHARED_NAMES = {
  crypto = true, -- base.crypto adds to host.crypto
  json = true, -- the interface adds `pretty` to host.json
}

-- The names that the files below a folder give to each module: module -> name -> file.
local function names_given(folder)
  local given = {}
  for _, path in ipairs(files(SOURCE .. "/" .. folder, ".lua")) do
    for line in read(path):gmatch "[^\n]+" do
      local name, module, rest = line:match "^%s*local ([%w_]+) = require%s*%(?\"([%w_.]+)\"%)?(.*)$"
      if name and not rest:find "^[%.:%(]" then
        given[module] = given[module] or {}
        given[module][name] = short(path)
      end
    end
  end
  return given
end

describe("the names of modules", function()
  it("are one for each module, wherever it is required", function()
    for _, folder in ipairs { "stdlib", "scripts" } do
      for module, names in pairs(names_given(folder)) do
        local last, wrapped = module:match "([%w_]+)$", module:match "^host%.(%w+)$"
        local two = (module:match "([%w_]+%.[%w_]+)$" or module):gsub("%.", "_")
        local fits = { [last] = true, [last .. "s"] = true, [two] = true }
        if CALLED[module] then fits = { [CALLED[module]] = true } end
        local first
        for name, path in pairs(names) do
          local in_wrapper = wrapped and name == "native_" .. wrapped
          assert(fits[name] or in_wrapper, ("%s calls %s '%s'"):format(path, module, name))
          if not in_wrapper then
            assert(not first, ("%s calls %s '%s', others call it '%s'"):format(path, module, name, first))
            first = name
          end
        end
      end
    end
  end)

  it("stand for one module each in the library", function()
    local owner = {}
    for module, names in pairs(names_given "stdlib") do
      for name, path in pairs(names) do
        local other = owner[name]
        assert(not other or SHARED_NAMES[name] or module == "secret.emulator" or other == "secret.emulator",
          ("%s: '%s' is %s here and %s elsewhere"):format(path, name, module, other))
        owner[name] = module
      end
    end
  end)
end)

describe("the size of things", function()
  it("keeps files below 500 lines", function()
    for _, ending in ipairs { ".c", ".h", ".lua" } do
      for _, folder in ipairs { "runtime", "stdlib", "scripts" } do
        for _, path in ipairs(files(SOURCE .. "/" .. folder, ending)) do
          local _, lines = read(path):gsub("\n", "")
          assert(lines <= 500, short(path) .. " has " .. lines .. " lines")
        end
      end
    end
  end)

  it("keeps C functions below 40 lines", function()
    for _, path in ipairs(files(SOURCE .. "/runtime", ".c")) do
      local start, number = nil, 0
      for line in read(path):gmatch("([^\n]*)\n") do
        number = number + 1
        if line:find("^[%a].*%(.*") and line:find("{$") then start = number end
        if line == "}" and start then
          local lines = number - start - 1
          assert(lines <= 40, ("%s:%d: a function of %d lines"):format(short(path), start, lines))
          start = nil
        end
      end
    end
  end)
end)

describe("the description of the native modules", function()
  it("has a page for each of them, and for nothing else", function()
    local modules, pages = {}, {}
    for name in read(SOURCE .. "/runtime/state.c"):gmatch('{"host%.(%w+)",') do modules[#modules + 1] = name end
    table.sort(modules)
    for i, path in ipairs(files(SOURCE .. "/stdlib/meta/host", ".lua")) do
      pages[i] = path:match("(%w+)%.lua$")
      local says = read(path):match("^%-%-%-@meta (%S+)\n")
      assert(says == "host." .. pages[i], ("%s describes %s"):format(short(path), says))
    end
    assert.same(modules, pages)
  end)

  it("has every name that C gives to Lua", function()
    local pages = {}
    for i, path in ipairs(files(SOURCE .. "/stdlib/meta", ".lua")) do pages[i] = read(path) end
    local described = table.concat(pages)
    for _, path in ipairs(files(SOURCE .. "/runtime", ".c")) do
      for list in read(path):gmatch("luaL_Reg [%w_]+%[%] = (%b{})") do
        for name in list:gmatch('{"([%l_]+)",') do
          if not name:find("^__") then
            assert(described:find("[.:]" .. name .. "[%( ]"),
              ("%s gives Lua '%s', which no page of stdlib/meta describes"):format(short(path), name))
          end
        end
      end
    end
  end)
end)

describe("the list of interfaces", function()
  local interfaces = require "script.interfaces"

  local function sorted(set)
    local list = {}
    for name in pairs(set) do list[#list + 1] = name end
    table.sort(list)
    return list
  end

  it("has what stands at the top of stdlib, resources of setup steps, and nothing else", function()
    local top = {}
    for name in lfs.dir(SOURCE .. "/stdlib") do top[name:match("^([%w_]+)%.lua$") or ""] = true end
    top[""] = nil
    local listed = {}
    for _, name in ipairs(interfaces.names()) do
      assert(in_room("stdlib", name), name)
      if not name:find(".", 1, true) then listed[name] = true
      else assert(name:find "^entra%.[%w_]+$" or name:find "^setup%.[%w_]+$", name) end
    end
    assert.same(sorted(top), sorted(listed))
  end)

  it("is all that bundled scripts require, beside each other", function()
    for _, path in ipairs(files(SOURCE .. "/scripts", ".lua")) do
      local emulator = short(path):find("^scripts/emulator/") ~= nil
      for _, name in ipairs(requires(read(path))) do
        local open = interfaces.of(name) or emulator and interfaces.of_emulator[name]
        assert(open or in_room("scripts", name), ("%s requires %s, which is no interface"):format(short(path), name))
      end
    end
  end)

  it("opens to the emulator's files what these require, and no more", function()
    local needed = {}
    for _, path in ipairs(files(SOURCE .. "/scripts/emulator", ".lua")) do
      for _, name in ipairs(requires(read(path))) do
        if in_room("stdlib", name) and not interfaces.of(name) then needed[name] = true end
      end
    end
    assert.same(sorted(needed), sorted(interfaces.of_emulator))
  end)
end)
