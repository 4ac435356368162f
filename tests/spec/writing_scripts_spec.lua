-- docs/writing-scripts.md: its scripts are written down and its commands run, in its order, on an emulator.

local rehearsal = require "rehearsal"
local sys = require "host.sys"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

-- "a 'b c' \"d\"" as a shell reads it, without expansions.
local function words_of(line)
  local words, word, quote = {}, nil, nil
  for char in line:gmatch(".") do
    if quote then
      if char == quote then quote = nil else word = word .. char end
    elseif char == "'" or char == '"' then
      quote, word = char, word or ""
    elseif char == " " then
      words[#words + 1], word = word, nil
    else
      word = (word or "") .. char
    end
  end
  words[#words + 1] = word
  return words
end

-- The commands of a block, each with the exit status that its comment promises.
local function commands_of(block)
  local list = {}
  for line in block:gmatch("[^\n]+") do
    local command, comment = line:match("^moonlatch (.-)%s+#%s*(.*)$")
    command = command or line:match("^moonlatch (.*)$")
    assert(command, "a block of commands has the line: " .. line)
    list[#list + 1] = {
      line = line, words = words_of((command:gsub("%s*%-%-config lab/moonlatch%.lua", ""))),
      status = comment and math.tointeger(comment:match("^exit (%d)")) or 0,
    }
  end
  return list
end

-- The programs and folders that the page has in a profile go into the emulator's, with a folder that is there.
local function name_programs(emulator, page)
  local line = assert(page:match("\n    (programs = [^\n]+)"), "the page names no programs and folders")
  local folder = emulator.place.path .. "/reports"
  assert(sys.mkdir(folder))
  line = line:gsub("/var/lib/reports", folder)
  local text, count = read(emulator.config):gsub("    sign_in = sign_in,", "%0 " .. line)
  assert.equal(1, count)
  assert(sys.write(emulator.config, text, "replace"))
end

describe("docs/writing-scripts.md", function()
  it("has scripts that load and commands that do what it says", function()
    local emulator <close> = rehearsal.new("--lag", "0")
    local scripts, commands = 0, 0
    local page = read(SOURCE .. "/docs/writing-scripts.md")
    name_programs(emulator, page)
    for kind, block in page:gmatch("```(%l+)\n(.-)```") do
      if kind == "lua" then
        local name = assert(block:match("^%-%- (%S+%.lua)\n"), "a script does not begin with its file's name")
        emulator.place:write(".config/moonlatch/scripts/" .. name, block)
        scripts = scripts + 1
      else
        assert.equal("sh", kind)
        for _, command in ipairs(commands_of(block)) do
          local outcome = emulator:run(command.words)
          assert.equal(command.status, outcome.status,
            ("%s\n%s%s"):format(command.line, outcome.out, outcome.err))
          commands = commands + 1
        end
      end
    end
    assert(scripts >= 5 and commands >= 16, "it has " .. scripts .. " scripts and " .. commands .. " commands")
  end)
end)
