--- The way to a state folder: nobody else may lead it elsewhere.

local journal = require "host.journal"
local secret = require "host.secret"
local sys = require "host.sys"

local function shell(command, ...)
  assert(os.execute(command:format(...)))
end

local IS_ROOT = os.execute "test \"$(id -u)\" = 0" == true
local NOBODY = 65534

describe("a state folder", function()
  local place, key

  before_each(function()
    place, key = assert(sys.temporary "way-"), secret.random(32)
    shell("mkdir -m 700 '%s/mine' '%s/mine/deep' '%s/open' '%s/sticky'", place, place, place, place)
    shell("chmod 777 '%s/open'; chmod 1777 '%s/sticky'", place, place)
  end)
  after_each(function() assert(sys.remove_tree(place)) end)

  local function open(path)
    local opened, message, kind = journal.open(place .. "/" .. path, key, "login.test/tenant")
    if opened then
      opened:close()
      return "opened"
    end
    return kind, message
  end

  local function assert_refused(path, where, why)
    local kind, message = open(path)
    assert.equal("io", kind)
    assert.equal(("cannot open the journal in '%s/%s': '%s/%s' %s"):format(place, path, place, where, why), message)
    assert.is_nil(sys.stat(place .. "/" .. path .. "/journal.db"))
    local made, told = sys.mkdir(place .. "/" .. path, true)
    assert.is_nil(made)
    assert.equal(("cannot make the folder '%s/%s': '%s/%s' %s"):format(place, path, place, where, why), told)
  end

  local WRITTEN = "may be written by other users, who can replace folders in it; run chmod go-w on it"
  local LINK = "is a link of another user, who can change it"
  local OWNED = "belongs to another user, who can replace it"

  it("is opened below folders that are ours or root's", function()
    assert.equal("opened", open "mine/deep/state")
    assert.equal("opened", open "mine/deep/../deep/./again/")
    shell("ln -s deep '%s/mine/link'; ln -s '%s/mine/link/far' '%s/mine/absolute'; mkdir '%s/mine/deep/far'", place,
      place, place, place)
    shell("chmod 700 '%s/mine/deep/far'", place)
    assert.equal("opened", open "mine/link/state")
    assert.equal("opened", open "mine/absolute")
    assert.equal("opened", open "sticky/state")
  end)

  it("is refused inside a folder that others may write to", function()
    assert_refused("open/state", "open", WRITTEN)
    assert_refused("open/further/state", "open", WRITTEN)
    assert_refused("mine/../open/state", "open", WRITTEN)
    shell("ln -s ../open/state '%s/mine/link'", place)
    assert_refused("mine/link", "open", WRITTEN)
    shell("chmod 770 '%s/open'; chgrp %d '%s/open'", place, IS_ROOT and NOBODY or 0, place)
    if IS_ROOT then assert_refused("open/state", "open", WRITTEN) end
  end)

  it("ends where links lead in a circle", function()
    shell("ln -s b '%s/mine/a'; ln -s a '%s/mine/b'", place, place)
    local kind, message = open "mine/a/state"
    assert.equal("io", kind)
    assert.matches("Too many levels of symbolic links", message)
  end)

  if IS_ROOT then -- only root can give files away
    it("is refused behind another user's link, also in a folder with the sticky bit", function()
      shell("ln -s '%s/mine/deep' '%s/sticky/state'; chown -h %d '%s/sticky/state'", place, place, NOBODY, place)
      assert_refused("sticky/state", "sticky/state", LINK)
      assert_refused("sticky/state/further", "sticky/state", LINK)
    end)

    it("is refused inside another user's folder", function()
      shell("mkdir '%s/sticky/theirs'; chmod 755 '%s/sticky/theirs'; chown %d '%s/sticky/theirs'", place, place, NOBODY,
        place)
      assert_refused("sticky/theirs/state", "sticky/theirs", OWNED)
    end)
  end
end)
