-- The pages of docs/ that the source decides. `./dev docs` writes docs/reference.md anew, and the list in
-- docs/unknown.md.

local beliefs = require "doctor.beliefs"
local hint = require "log.hint"
local page = require "script.reference_page"
local reference = require "script.reference"
local sandbox = require "script.sandbox"

local PATH = SOURCE .. "/docs/reference.md"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function write(path, text)
  local file <close> = assert(io.open(path, "w"))
  assert(file:write(text))
end

describe("docs/reference.md", function()
  local names = sandbox.modules()
  local made = page.page(names)

  if os.getenv "WRITE_DOCS" then
    write(PATH, made)
  end

  it("is what the comments in stdlib say now", function()
    local is_same = made == read(PATH)
    assert(is_same, "docs/reference.md is not what the comments say: run ./dev docs, and commit the page")
  end)

  it("has every function of every interface, each once", function()
    for _, name in ipairs(names) do
      for _, entry in ipairs(reference.functions(name)) do
        local heading = ("### `%s("):format(entry.full)
        local first = made:find(heading, 1, true)
        assert(first, entry.full .. " is missing")
        assert(not made:find(heading, first + 1, true), entry.full .. " stands there twice")
      end
    end
  end)

  it("says something of every function", function()
    local silent = {}
    for _, name in ipairs(names) do
      for _, entry in ipairs(reference.functions(name)) do
        if entry.doc == "" then silent[#silent + 1] = entry.full end
      end
    end
    assert.same({}, silent)
  end)
end)

describe("docs/unknown.md", function()
  local UNKNOWN = SOURCE .. "/docs/unknown.md"
  local BEGIN, END = "<!-- made by ./dev docs from stdlib/doctor/beliefs.lua -->\n", "<!-- end -->"

  local function table_of_beliefs()
    local lines = { "| id | what is assumed | why it is not certain | the call that settles it |", "|---|---|---|---|" }
    for _, one in ipairs(beliefs) do
      lines[#lines + 1] = ("| `%s` | %s | %s | %s |"):format(one.id, one.belief, one.doubt,
        (hint.text(one.call):gsub("|", "\\|")))
    end
    return table.concat(lines, "\n") .. "\n"
  end

  local text = read(UNKNOWN)
  local from = select(2, text:find(BEGIN, 1, true))
  local to = text:find(END, from, true)

  if os.getenv "WRITE_DOCS" then
    write(UNKNOWN, text:sub(1, from) .. table_of_beliefs() .. text:sub(to))
    return
  end

  it("lists what `doctor --first-contact` lists", function()
    assert(text:sub(from + 1, to - 1) == table_of_beliefs(), "docs/unknown.md is not what stdlib/doctor/beliefs.lua "
      .. "says: run ./dev docs, and commit the page")
  end)
end)
