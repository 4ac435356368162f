--- The private folder of something temporary.

local fail = require "fail"
local place = require "machine.private_folder"
local sys = require "host.sys"

describe("private_folder", function()
  it("makes a temporary folder and removes it", function()
    local path
    do
      local one <close> = place.open()
      path = one.path
      assert.equal("a", sys.read(one:write("a.txt", "a"), 10))
      assert.is_true(one:has("a.txt"))
      assert.equal(tonumber("600", 8), sys.stat(one:file("a.txt")).mode & 511)
      assert.equal(tonumber("700", 8), sys.stat(path).mode & 511)
    end
    assert.is_nil(sys.stat(path))
  end)

  it("keeps a folder that was named, and takes it again", function()
    local root <close> = place.open()
    local path = root:file("mine")
    do
      local one <close> = place.open(path)
      one:write("a.txt", "a")
    end
    local again <close> = place.open(path)
    assert.is_true(again:has("a.txt"))
  end)

  it("refuses a folder that holds other things", function()
    local root <close> = place.open()
    local path = root:file("full")
    assert(sys.mkdir(path))
    assert(sys.write(path .. "/precious", "x", "new"))
    local ok, failure = pcall(place.open, path)
    assert.is_false(ok)
    assert.is_true(fail.is(failure, "config"))
    assert.equal(
      ("use the folder %s: it contains other files, or belongs to another user\nName a new or empty folder.")
        :format(path), tostring(failure))
  end)

  it("writes plain names only", function()
    local one <close> = place.open()
    for _, name in ipairs { "../x", "a/b", "..", ".", "" } do
      assert.has_error(function() one:write(name, "") end)
    end
  end)
end)
