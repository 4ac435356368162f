-- takes 8 s: man, mandoc and lexgrog read each manual page; zsh and fish complete with the installed scripts.

local common = require "manual.common"
local moonlatch = require "moonlatch"

-- Does the program exist on this machine?
local function has(program) return (os.execute(("command -v %s >/dev/null 2>&1"):format(program))) == true end

-- What the command writes, in the place, without a terminal.
local function output_of(place, command)
  local pipe <close> = assert(io.popen(("cd '%s' && env -i HOME='%s' PATH='%s/bin':/usr/bin:/bin LANG=C.UTF-8 %s 2>&1")
    :format(place.path, place.path, place.path, command)))
  return pipe:read "a"
end

-- A place with the manual pages in man/, and the program in bin/.
local function new_place()
  local place = moonlatch.place()
  assert.equal(0, place:run({ "help", "--man", "man" }).status)
  place:write("bin/.keep", "")
  assert(os.execute(("ln -s '%s' '%s/bin/moonlatch'"):format(os.getenv "MOONLATCH", place.path)))
  return place
end

-- A test that needs a program; skipped, and counted, without it.
local function it_with(program, name, test)
  if has(program) then return it(name, test) end
  pending(("%s (%s is not installed)"):format(name, program))
end

describe("the manual pages", function()
  local COUNT = #common.command_names() + 6 -- moonlatch(1), that of -e, and those of files, scripts and the units

  it_with("mandoc", "have no fault that mandoc finds", function()
    local place <close> = new_place()
    assert.equal("", output_of(place, "sh -c 'mandoc -T lint -W warning man/man?/*'"))
  end)

  it_with("man", "are shown by man without a warning, 80 columns wide", function()
    local place <close> = new_place()
    assert.equal("", output_of(place, "sh -c 'for page in man/man?/*; do man -l --warnings $page >/dev/null; done'"))
    local text = output_of(place, "MANWIDTH=80 MAN_KEEP_FORMATTING= man -l man/man1/moonlatch-init.1")
    assert.matches("\nSYNOPSIS\n       moonlatch init %[options%]\n", text)
    assert.matches("\n       %-%-tenant TENANT\n              domain or GUID of the tenant\n", text)
  end)

  it_with("lexgrog", "are indexed for apropos", function()
    local place <close> = new_place()
    local text = output_of(place, "sh -c 'lexgrog man/man?/*'")
    local _, count = text:gsub("[^\n]+: \"moonlatch[^\n]* %- [^\n]+\"\n", "")
    assert.equal(COUNT, count, text)
  end)
end)

describe("completion", function()
  it_with("fish", "works in fish", function()
    local place <close> = new_place()
    place:write("moonlatch.fish", require("manual.shells").fish)
    assert.equal("plan\tshow what apply would change; changes nothing\nsetup/rotator\n--config=moonlatch.fish\n",
      output_of(place, "fish --no-config -c 'source moonlatch.fish; complete -C \"moonlatch pl\"; "
        .. "complete -C \"moonlatch plan setup/ro\"; complete -C \"moonlatch --config=moonlatch.f\"'"))
  end)

  -- Calls the function as zsh's completion does, with its two ways to answer replaced.
  local ZSH = [=[
    compdef() { print -r -- "compdef $*" }
    source ./_moonlatch
    _describe() { print -rl -- "${(@)described}" }
    _files() { print -r -- "files $*" }
    compset() { print -r -- "without $2" }
    try() { local -a words=("$@"); local CURRENT=$#; _moonlatch }
    try moonlatch pl
    try moonlatch plan setup/ro
    try moonlatch "'plan'" setup/ro
    try moonlatch plan --scripts=
    try moonlatch plan ./
  ]=]

  it_with("zsh", "works in zsh", function()
    local place <close> = new_place()
    place:write("_moonlatch", require("manual.shells").zsh)
    place:write("type.zsh", ZSH)
    assert.equal("compdef _moonlatch moonlatch\nplan:show what apply would change; changes nothing\nsetup/rotator:\n"
      .. "setup/rotator:\nwithout --*=\nfiles -/\nwithout --*=\nfiles \n", output_of(place, "zsh -f type.zsh"))
  end)
end)
