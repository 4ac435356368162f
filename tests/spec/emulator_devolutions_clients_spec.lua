--- The emulated Devolutions Server as two open clients use it: every call that they make is answered as they expect.

local json = require "host.json"
local process = require "host.process"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local PYTHON = "/usr/bin/python3"

describe("the emulated Devolutions Server answers", function()
  local done

  setup(function()
    local emu <close> = rehearsal.new("--lag", "0")
    local folder = emu.config:match "^(.*)/"
    local app_key = assert(sys.read(emu.config, 65536)):match 'app_key = "([^"]+)"'
    local child <close> = assert(process.start({ PYTHON, "-B", SOURCE .. "/tests/peer/devolutions_clients.py",
      emu.ready.devolutions, emu.ready.ca, app_key, folder .. "/devolutions.secret", "Privileged" }, nil, nil, "kept"))
    local line = child:line(60)
    assert(child:wait(60) == 0 and line, child:complaint())
    done = assert(json.decode(line))
  end)

  local function statuses(name)
    local list = {}
    for i, one in ipairs(done[name].calls) do list[i] = one.status end
    return list
  end

  it("every call of Ansible's collection for it", function()
    local list = statuses "ansible"
    assert.equal(401, table.remove(list)) -- after the logout
    assert.equal(25, #list)
    for i, status in ipairs(list) do
      assert(status == 200 or status == 201, done.ansible.calls[i].call .. " " .. status)
    end
    local result = done.ansible.result
    assert.same({ version = "2026.2.12.0", has_uri = true, vaults = { "Default vault", "Privileged",
      "Entra automation" } }, result.server)
    assert.equal(result.created, result.updated) -- the second run replaced the entry of the first
    local read = { "svc-ansible", "second-value" }
    assert.same({ read, read, read }, { result.read["by name"], result.read["by id"], result["looked up"] })
    assert.same({ { "svc-ansible" }, { "svc-ansible" }, { "svc-ansible" }, {} }, { result.read["filter name"],
      result.read["filter path"], result.read["filter type"], result.read["filter tag"] })
  end)

  it("every call of the action get-entry, which takes a list of entries for an entry", function()
    assert.same({ 200, 200, 200 }, statuses "get-entry")
    assert.equal("a list of 1, and no entry", done["get-entry"].result)
    assert.same({ 200, 200, 200 }, statuses "get-entry, last call")
    assert.same({ "svc-ansible", "second-value" }, done["get-entry, last call"].result)
  end)
end)
