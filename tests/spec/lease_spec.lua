-- Leases as the library takes them: held by another is said, not to know is raised.

local fail = require "fail"
local journals = require "journals"
local leases = require "journal.lease"
local state_folder = require "machine.state_folder"
local sys = require "host.sys"

describe("a lease", function()
  it("is taken, or held by another", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local lease <close> = leases.take(j, "user/anna", "set a password")
    assert.is_truthy(lease)
    local none, held_by = leases.take(j, "user/anna", "set a password")
    assert.is_nil(none)
    assert.matches("^'user/anna' is being worked on by another moonlatch", held_by)
  end)

  it("whose file cannot be opened stops the run, and names the file and who acts", function()
    local place <close> = journals.folder()
    local j <close> = journals.open(place)
    local path = place.path .. "/j/leases"
    assert(sys.mkdir(path))
    local ok, failure = pcall(leases.take, j, "user/anna", "set a new password for anna")
    assert.is_false(ok)
    assert.is_true(fail.is(failure, "journal"))
    assert.equal(("set a new password for anna: the lock file '%s' cannot be opened: Is a directory\n"
      .. "Nothing was changed. Make sure that it is a file that the user %s may write, that its disk has room, and "
      .. "that files can still be opened (ulimit -n). Then run the same command again."):format(path, sys.user()),
      tostring(failure))
  end)
end)

describe("a state folder", function()
  it("of ours, or that is not there, needs nobody else", function()
    local place <close> = journals.folder()
    assert.is_nil(state_folder.fix(place.path))
    assert.is_nil(state_folder.fix(place.path .. "/none"))
  end)

  it("of another user is worked on as that user", function()
    local owner <const>, user <const> = sys.owner, sys.user
    local _ <close> = setmetatable({}, { __close = function() sys.owner, sys.user = owner, user end })
    sys.user = function() return "root" end
    for name, how in pairs { moonlatch = "sudo moonlatch-operator", anna = "sudo -u anna moonlatch" } do
      sys.owner = function() return name end
      assert.equal(("It belongs to the user %s, and this is root. Run the same command as %s: %s, then what follows"
        .. " `moonlatch`."):format(name, name, how), state_folder.fix("/var/lib/moonlatch"))
    end
    -- one that cannot even be looked at, in a folder that is closed to us
    sys.owner = function(path) return ({ ["/var/lib/moonlatch"] = "moonlatch", ["/var/lib"] = "root" })[path] end
    assert.matches("^It belongs to the user moonlatch", state_folder.fix("/var/lib/moonlatch/login/contoso"))
    assert.is_nil(state_folder.fix("/var/lib/other/login/contoso"))
  end)
end)
