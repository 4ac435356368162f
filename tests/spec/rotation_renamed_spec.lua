--- rotation: an account that is renamed while two installations rotate it. Pending entries belong to the account's
--- object id, whatever their names.

local password_rotation = require "password_rotation" -- before what is found by its path
local json = require "host.json"
local secret = require "host.secret"
local time = require "time"

local UPN, PATCH = password_rotation.UPN, password_rotation.USERS
local OTHER = "ml:feedbeef00000001:feedbeef00000002"

local rotation, cloud

local function vault() return cloud.server.entries[cloud.server:vault_id "Privileged"] end

-- Add an entry to the vault, as another installation writes it.
local function add(fields)
  local place, now = vault().changes + 1, cloud.tenant.now()
  vault():add {
    id = ("00000000-0000-4000-8000-%012x"):format(place), name = fields.name, path = fields.path or "Tier0",
    type = "Credential", subType = "Default", description = fields.description, tags = json.array { fields.tag },
    data = { username = fields.name, password = secret.generate(32) }, created = now, modified = now,
  }
end

local function pending_of(id, marker)
  return ("Pending since %s for %s: may be in force already (%s/1). Moonlatch removes it when it is known which "
    .. "password is."):format(time.iso(cloud.tenant.now() // 1), id, marker)
end

local function add_pending(name, id, marker, path)
  add { name = name, description = pending_of(id, marker), tag = "moonlatch-password-pending", path = path }
end

local function rename(name) cloud.tenant.users:change(rotation:id_of(), { userPrincipalName = name }, 0) end

-- Call `fn` once, just after the rotation has written its pending entry.
local function after_own_pending(fn)
  cloud.meet = function(_, moment)
    if moment ~= "applied" or not cloud:entries()[UPN .. " (pending)"] then return nil end
    cloud.meet = nil
    fn()
  end
end

local function outcome()
  local rows, status = rotation:run "once"
  return { status, rows["t0-chen"].what, rotation:count("PATCH", PATCH) }, rows["t0-chen"]
end

describe("an account that is renamed", function()
  before_each(function()
    rotation = password_rotation.new()
    cloud = rotation.cloud
  end)
  after_each(function() rotation:close() end)

  it("is not changed while another installation has a pending entry under another name", function()
    after_own_pending(function() add_pending("t0-li@elsewhere.example (pending)", rotation:id_of(), OTHER) end)
    local said, row = outcome()
    assert.same({ 1, "busy", 0 }, said)
    assert.equal(("the sink has a pending password that may be in force, written by another installation of Moonlatch "
      .. "(%s)"):format(OTHER), row.why) -- said when the account was tried once more, at the end of the run
  end)

  it("is not changed while its pending entry is the last of a thousand, and others go while they are listed", function()
    after_own_pending(function()
      for place = 1, 999 do add_pending(("u%d (pending)"):format(place), ("00-%x"):format(place), OTHER) end
      add_pending("t0-li@elsewhere.example (pending)", rotation:id_of(), OTHER)
      -- The entry of another account is removed between the first page and the second, once.
      cloud.meet = function(request, moment)
        if moment ~= "applied" or request.query.tag ~= "moonlatch-password-pending" then return nil end
        cloud.meet = nil
        vault():remove(cloud:entries()["u1 (pending)"][1].id)
      end
    end)
    assert.same({ 1, "busy", 0 }, (outcome()))
  end)

  it("is not changed when the entry that it was to have is another installation's by now", function()
    local renamed = UPN:gsub("chen", "li")
    after_own_pending(function()
      rename(renamed)
      add { name = renamed, tag = "moonlatch-password", description = ("Password kept by Moonlatch (%s/1) for %s, in "
        .. "force since 2024-01-01T00:00:00Z."):format(OTHER, rotation:id_of()) }
    end)
    local _, status, found = rotation:run "once"
    assert.same({ 1, "stop", 0 }, { status, found.entries[1].what, rotation:count("PATCH", PATCH) })
    assert.equal("the sink's value was set on 2024-01-01T00:00:00Z, and the password was changed since "
      .. "(2021-01-02T00:00:00Z)", found.entries[1].why)
  end)

  it("is changed in spite of a pending entry in another folder", function()
    after_own_pending(function() add_pending(UPN .. " (pending)", rotation:id_of(), OTHER, "Elsewhere") end)
    assert.same({ 0, "changed", 1 }, (outcome()))
  end)

  for _, status in ipairs { 201, 409 } do
    it(("is changed beside the pending entry of an account that had its name before: %d"):format(status), function()
      local other = rotation:id_of "t0-boris"
      add_pending(UPN .. " (pending)", other, OTHER)
      if status == 409 then -- the vault allows no equal names; the first entry is the probe's
        rotation:meet("POST", "/entry$", function(nth) return nth == 2 and "409" or nil end)
      end
      assert.same({ 0, "changed", 1 }, (outcome()))
      local left = cloud:entries()[UPN .. " (pending)"]
      assert.equal(1, #left)
      assert.truthy(left[1].description:find(other, 1, true))
    end)
  end

  describe("whose entry a person changes while its password is rotated", function()
    local function entry() return cloud:entries()[UPN][1] end

    before_each(function()
      assert.equal(0, (select(2, rotation:run "once")))
      cloud:wait(31 * 86400)
    end)

    it("is changed, and the entry gets its name back", function()
      local id = entry().id
      after_own_pending(function() entry().name = "Chen's admin account" end)
      assert.same({ 0, "changed", 2 }, (outcome()))
      assert.equal(id, entry().id)
      assert.is_true(cloud:in_force("t0-chen", (rotation:stored())))
    end)

    for how, change in pairs {
      moved = function() entry().path = "Elsewhere" end, deleted = function() vault():remove(entry().id) end,
    } do
      it("is not changed when the entry is " .. how, function()
        after_own_pending(change)
        local said, row = outcome()
        assert.same({ 1, "stop", 1 }, said)
        assert.equal("its entry does not lie in the folder of the policy any more: it was moved or deleted", row.why)
      end)
    end

    it("stops for a person when a value was sent before the entry was moved", function()
      rotation:meet("PATCH", PATCH, function()
        entry().path = "Elsewhere"
        return "before"
      end)
      local _, row = outcome()
      assert.equal("the current entry was moved to the folder 'Elsewhere' while this rotation was at work, and a value "
        .. "of ours was sent before that was seen", row.why)
    end)
  end)
end)
