-- The pages of docs/ that the source decides. `./dev docs` writes docs/reference.md anew.

local page = require "script.reference_page"
local reference = require "script.reference"
local sandbox = require "script.sandbox"

local PATH = SOURCE .. "/docs/reference.md"

local function read(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

describe("docs/reference.md", function()
  local names = sandbox.modules()
  local made = page.page(names)

  if os.getenv "WRITE_DOCS" then
    local file <close> = assert(io.open(PATH, "w"))
    assert(file:write(made))
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
