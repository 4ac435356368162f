-- takes 12 s: each command on an emulator of its own
--- Names that attack the output: of a user, a group, an application and a client secret. No command lets a control
--- character, a change of direction or markup through, and each JSON document gives the names back as they are.

local json = require "host.json"
local rehearsal = require "rehearsal"

local ATTACK = "<script>alert(1)</script>"

-- Bytes and characters that a terminal or a reader acts upon: none may be in a text for a person.
local ACTIVE = { ["escape"] = "\27", ["carriage return"] = "\r", ["bell"] = "\7",
  ["right-to-left override"] = "\u{202E}", ["isolate"] = "\u{2066}" }

local PLAN = { "plan", "setup/entra-pam-provider", "--managed", "THE GROUP" }

local READ = "for _, object in ipairs(require('graph').all('/%s')) do print(object.displayName, object) end"

local APPLICATIONS = { "applications", "--no-evidence" }

local COMMANDS = { { "discover" }, APPLICATIONS, { "activity" }, { "doctor" }, { "doctor", "--verbose" }, PLAN,
  { "-e", READ:format "users" },
  { "-e", READ:format "groups" }, { "-e", READ:format "applications" } }

local function names_in(value, found)
  if type(value) == "string" and value:find(ATTACK, 1, true) then found[#found + 1] = value end
  for _, member in pairs(type(value) == "table" and value ~= json.null and value or {}) do names_in(member, found) end
  return found
end

describe("names that attack the output", function()
  local emu, ids

  setup(function()
    emu = rehearsal.new("--users", "0")
    ids = emu:admin "add_awkward"
  end)
  teardown(function() emu:__close() end)

  local function run(words, ...)
    local line = { ... }
    for i, word in ipairs(words) do table.insert(line, i, word == "THE GROUP" and ids.group or word) end
    local outcome = emu:run(line)
    assert.is_nil(outcome.err:find("--verbose shows where this comes from", 1, true), outcome.err) -- no mistake of ours
    return outcome
  end

  for _, words in ipairs(COMMANDS) do
    local line = table.concat(words, " ")
    it("do nothing on a terminal: " .. line, function()
      local outcome = run(words)
      local shown = (outcome.out .. outcome.err):gsub("\r\n", "\n"):gsub("\27%[31m", "") -- red hides nothing
      for what, text in pairs(ACTIVE) do assert.is_nil(shown:find(text, 1, true), what) end
      local is_print = words[1] == "-e" -- which prints a line break as one
      if not is_print then assert.is_nil(("\n" .. outcome.out .. outcome.err):find("\nBEGIN:VALARM", 1, true), line) end
    end)
  end

  it("are whole in JSON", function()
    local found = {}
    for _, words in ipairs { { "discover" }, APPLICATIONS, { "activity" }, { "doctor" } } do
      names_in(json.decode(run(words, "--json").out), found)
    end
    assert.is_true(#found > 0)
    for _, text in ipairs(found) do
      assert.truthy(text:find("=cmd|'/C calc'!A0\",;\t<script>alert(1)</script>&amp;]]>\27[31m", 1, true), text)
    end
  end)
end)
