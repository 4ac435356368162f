-- The manual pages, the completion and the help come from the declarations of the commands, from the rules that check
-- what a person writes, and from doc comments.

local common = require "manual.common"
local dispatch = require "command.dispatch"
local interfaces = require "script.interfaces"
local members = require "manual.members"
local moonlatch = require "moonlatch"
local pages = require "manual.pages"
local reference = require "script.reference"
local sets = require "base.sets"

local made = pages.files(dispatch.load_command)

-- The text of a page as a reader of man(7) has it: without fonts and escapes.
local function plain(text)
  return (text:gsub("\\f[BIR]", ""):gsub("\\%-", "-"):gsub("\\&", ""):gsub("\\%[u(%x+)%]", function(code)
    return utf8.char(tonumber(code, 16))
  end):gsub("\\e", "\\"))
end

describe("the manual pages", function()
  it("are one for the program, one for each command, and those of files and scripts", function()
    local wanted = { "man1/moonlatch.1", "man1/moonlatch-e.1", "man5/moonlatch.lua.5", "man5/moonlatch-policy.5",
      "man7/moonlatch-scripts.7", "man8/moonlatch-operator.8" }
    for _, name in ipairs(common.command_names()) do wanted[#wanted + 1] = ("man1/moonlatch-%s.1"):format(name) end
    table.sort(wanted)
    assert.same(wanted, sets.sorted(made))
  end)

  it("name every command, argument and option, with its help", function()
    local main = plain(made["man1/moonlatch.1"])
    for _, option in ipairs(common.options) do assert.truthy(main:find(option.name, 1, true), option.name) end
    for _, name in ipairs(common.command_names()) do
      local command, page = dispatch.load_command(name), plain(made[("man1/moonlatch-%s.1"):format(name)])
      assert.truthy(main:find(("moonlatch-%s(1)\n%s"):format(name, command.summary), 1, true), name)
      for _, option in ipairs(command.options or {}) do
        local head = option.name .. (option.value and " " .. option.value or "")
        assert.truthy(page:find(head .. "\n" .. option.help, 1, true), name .. " " .. option.name)
      end
      for _, argument in ipairs(command.arguments or {}) do
        assert.truthy(page:find(argument.name:upper() .. "\n" .. argument.help, 1, true), name .. " " .. argument.name)
      end
      for _, example in ipairs(command.examples) do assert.truthy(page:find(example, 1, true), example) end
    end
  end)

  it("list the arguments of the scripts that are commands", function()
    assert.truthy(plain(made["man1/moonlatch-discover.1"]):find("\n--format TEXT\n", 1, true))
    assert.truthy(plain(made["man1/moonlatch-emulator.1"]):find("\n--users N\n", 1, true))
  end)

  it("say something of every member that a profile, a policy and a script may have, and of no other", function()
    for name, list in pairs(pages.members()) do
      local described, known = sets.sorted(members[name]), {}
      for _, member in ipairs(list) do known[member.path] = true end
      assert.same(sets.sorted(known), described)
    end
  end)

  it("have types and defaults from the rules that check the members", function()
    local profile, policy = plain(made["man5/moonlatch.lua.5"]), plain(made["man5/moonlatch-policy.5"])
    assert.truthy(profile:find("\ntenant (string; needed)\n", 1, true))
    assert.truthy(profile:find('\nsign_in.client_auth ("post", "basic")\n', 1, true))
    assert.truthy(profile:find('\ncloud (string or table; default "global")\n', 1, true))
    assert.truthy(policy:find('\nevery (duration, such as "30d"; needed)\n', 1, true))
    assert.truthy(policy:find("\nlimits.max_changes (integer; default 50)\n", 1, true))
  end)

  it("name every function that scripts may call", function()
    local page = plain(made["man7/moonlatch-scripts.7"])
    for _, name in ipairs(interfaces.names()) do
      for _, entry in ipairs(reference.functions(name)) do
        assert.truthy(page:find(entry.full, 1, true), entry.full)
      end
    end
  end)

  it("are man(7): nothing but its requests at the beginning of a line, no bare backslash, and only ASCII", function()
    local requests = sets.of { "TH", "SH", "SS", "PP", "TP", "br", "nf", "fi", "in", "nh", "ad" }
    for path, text in pairs(made) do
      for line in text:gmatch "[^\n]+" do
        local request = line:match "^[.'](%S*)"
        assert(not request or requests[request], path .. ": " .. line)
        assert(not line:gsub("\\f[BIR]", ""):gsub("\\[-e&]", ""):gsub("\\%[u%x+%]", ""):find "\\", path .. ": " .. line)
        assert(not line:find "[\128-\255]", path .. ": " .. line)
      end
    end
  end)

  it("keep a text that looks like a request, and the reader's backslashes", function()
    local roff = require "manual.roff"
    local page = roff.page { name = "x", section = 1, summary = "s", date = "2026-01-01", version = "1" }
    page:text(".SH not a section\n'nor this: Entra\\Tier0\n\n  .code", true)
    assert.matches("\n\\&%.SH not a section\n\\&'nor this: Entra\\eTier0\n%.PP\n%.in %+2n\n%.nf\n\\&%.code\n%.fi\n",
      page:whole())
  end)

  it("are written by `help --man`, dated by SOURCE_DATE_EPOCH, the same twice", function()
    local place <close> = moonlatch.place()
    local function write(folder)
      local outcome = place:run({ "help", "--man", folder }, { env = { "SOURCE_DATE_EPOCH=1767225600" } })
      assert.same({ 0, "" }, { outcome.status, outcome.err })
      local file <close> = assert(io.open(("%s/%s/man5/moonlatch.lua.5"):format(place.path, folder)))
      return file:read "a"
    end
    local first = write "a"
    assert.matches('^%.TH MOONLATCH%.LUA 5 2026%-01%-01 "moonlatch ', plain(first))
    assert.equal(first, write "b")
    local outcome = place:run { "help", "--man", "/proc/none" }
    assert.same({ 1, "" }, { outcome.status, outcome.out })
    assert.matches("^error: write the manual page /proc/none/man%d/moonlatch", outcome.err)
  end)
end)

describe("the help of a command", function()
  local command = { summary = "do it", examples = { "moonlatch do" },
    details = "One sentence that is\nlonger. Another:\n  code --here\nand more." }

  it("joins the lines of a paragraph, and wraps them to the width; code stays as it is", function()
    local command_help = require "manual.command_help"
    assert.matches("\n\nOne sentence that is longer%. Another:\n  code %-%-here\nand more%.\n\n",
      command_help.command("do", command, 80))
    assert.matches("\n\nOne sentence\nthat is longer%.\nAnother:\n  code %-%-here\nand more%.\n\n",
      command_help.command("do", command, 16))
  end)
end)

describe("completion", function()
  local place

  setup(function()
    place = moonlatch.place()
    place:write(".config/moonlatch/moonlatch.lua", 'return { profiles = { contoso = { tenant = "contoso.com" }, '
      .. 'fabrikam = { tenant = "fabrikam.com" }, ["two\\nlines"] = { tenant = "x.com" } } }')
    place:write(".config/moonlatch/scripts/policies/weekly.lua", 'error "loaded, not run"')
    place:write(".config/moonlatch/scripts/mine.lua", 'return { summary = "Mine", run = function() end, '
      .. 'args = { colour = { type = "string", help = "which", choices = { "red", "blue" } }, '
      .. 'loud = { type = "boolean", help = "loud" } } }')
    place:write(".config/moonlatch/scripts/endless.lua", "while true do end")
    place:write("other.lua", 'return { profiles = { elsewhere = { tenant = "contoso.com" } } }')
  end)

  teardown(function() getmetatable(place).__close(place) end)

  -- The kind of candidates, and the words.
  local function candidates(...)
    local outcome = place:run { "completion", "--", ... }
    assert.same({ 0, "" }, { outcome.status, outcome.err })
    local kind, rest = outcome.out:match "^(%l+)\n(.*)$"
    local words = {}
    for line in rest:gmatch "[^\n]+" do words[#words + 1] = line:match "^[^\t]*" end
    return kind, words
  end

  local function words(...) return select(2, candidates(...)) end

  it("knows commands, their operands and options", function()
    assert.same({ "plan", "permissions" }, words "p")
    assert.same({ "list", "lint" }, words("scripts", "l"))
    assert.same({ "--now", "--no-evidence", "--no-color" }, (function()
      local list = words("rotate", "policies/weekly", "--no")
      table.sort(list, function(a, b) return a > b end)
      return list
    end)())
    assert.same({ "--cloud=gcc", "--cloud=gcc_high" }, words("init", "--cloud=gcc"))
    assert.same({ "keyring" }, words("--json", "init", "--key", "k"))
    assert.same({}, words("nonsense", ""))
    assert.same({}, words("whoami", "x"))
  end)

  it("knows scripts, policies and profiles of this machine", function()
    assert.same({ "policies/app-client-secrets", "policies/pam-provider-secret", "policies/tier0-users",
      "policies/weekly" }, words("rotate", "policies/weekly", ""))
    assert.same({ "mine" }, words("run", "m"))
    assert.same({ "mine" }, words("rotate", "m")) -- a policy may be anywhere
    assert.same({ "contoso", "fabrikam" }, words("plan", "--profile", ""))
    assert.same({ "elsewhere" }, words("--config", place.path .. "/other.lua", "--profile", ""))
    assert.same({}, words("--config", place.path .. "/none.lua", "--profile", ""))
  end)

  it("knows the arguments of scripts: bundled ones, a person's, and those that are commands", function()
    assert.same({ "--policies" }, words("plan", "setup/rotator", "--pol"))
    assert.same({ "--colour", "--loud", "--no-loud" }, (function()
      local list = {}
      for _, word in ipairs(words("run", "mine", "--")) do
        if word:find "lou" or word:find "colour" then list[#list + 1] = word end
      end
      return list
    end)())
    assert.same({ "red", "blue" }, words("run", "mine", "--colour", ""))
    assert.same({ "--colour=blue" }, words("run", "mine", "--colour=b"))
    assert.same({ "--first-contact" }, words("doctor", "--fi"))
  end)

  it("leaves files and folders to the shell", function()
    assert.equal("files", (candidates("plan", "./m")))
    assert.equal("files", (candidates("--config", "")))
    assert.equal("folders", (candidates("plan", "--scripts=")))
    assert.equal("folders", (candidates("types", "")))
  end)

  it("ends in time with a script that never does, and never runs a script", function()
    assert.same({ "--json" }, words("run", "endless", "--js"))
    assert.same({ "--json" }, words("plan", "policies/weekly", "--js"))
  end)

  it("offers no name of the machine that breaks a line or hides another", function()
    for _, word in ipairs(words("plan", "--profile", "")) do assert.not_equal("two", word) end
  end)

  it("works in bash as it is typed", function()
    local shells = require "manual.shells"
    place:write("completion.bash", shells.bash)
    place:write("type.bash", ([[
      source completion.bash
      moonlatch() { "%s" "$@"; }
      compopt() { :; }
      type_line() {
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _moonlatch moonlatch
        echo "${COMPREPLY[*]}"
      }
      type_line moonlatch pl
      type_line moonlatch plan setup/ro
      type_line moonlatch plan --profile f
      type_line moonlatch init --cloud = gcc
      type_line moonlatch init --cloud =
      type_line moonlatch plan ./oth
      complete -p moonlatch
    ]]):format(os.getenv "MOONLATCH"))
    local pipe <close> = assert(io.popen(("cd '%s' && env -i HOME='%s' PATH=/usr/bin:/bin bash type.bash 2>&1")
      :format(place.path, place.path)))
    assert.same("plan\nsetup/rotator\nfabrikam\ngcc gcc_high\nglobal gcc gcc_high dod china\n./other.lua\n"
      .. "complete -F _moonlatch moonlatch\n", pipe:read "a")
  end)

  it("is printed for three shells, and for no other", function()
    for _, shell in ipairs { "bash", "zsh", "fish" } do
      local outcome = place:run { "completion", shell }
      assert.same({ 0, "", require("manual.shells")[shell] }, { outcome.status, outcome.err, outcome.out })
    end
    local outcome = place:run { "completion", "tcsh" }
    assert.same({ 2, "", "error: completion tcsh\n  why: there is no completion for this shell\n"
      .. "  fix: Name one of bash, zsh, fish: moonlatch completion bash\n" },
      { outcome.status, outcome.out, outcome.err })
  end)
end)
