-- takes 4 s: runs the program a dozen times
--- Where the client secrets of a policy go besides Devolutions Server: a person's
-- hands, a file sealed to a public key, a program.

local certificates = require "certificates"
local rehearsal = require "rehearsal"

local function shell(line, ...)
  local pipe = assert(io.popen(line:format(...) .. " 2>&1"))
  local text = pipe:read("a")
  local ok = pipe:close()
  return text, ok
end

local POLICY = [[
local policy = require "policy"
return policy {
  summary = "one application", select = policy.applications { client_id = %q },
  every = "30d", lifetime = "90d", grace = "7d", sink = %s,
}
]]

describe("the client secret of an application", function()
  local emu, app, path

  before_each(function()
    emu = rehearsal.new()
    app = emu:admin("add_app", { name = "Billing", days = 3650 })
    path = emu.place.path
  end)

  after_each(function() debug.getmetatable(emu).__close(emu) end)

  local function rotate(sink)
    local file = emu.place:write("billing.lua", POLICY:format(app.appId, sink))
    local status, document = emu:json { "rotate", file, "--yes" }
    return status, document.policies[1].accounts[1]
  end

  local function signs_in(value)
    local line = ("curl -s -o /dev/null -w '%%{http_code}' --cacert '%s' '%s/%s/oauth2/v2.0/token' -d client_id=%s "
      .. "-d grant_type=client_credentials -d scope=https://graph.microsoft.com/.default "
      .. "--data-urlencode client_secret@-"):format(emu.ready.ca, emu.ready.login, emu.ready.tenant, app.appId)
    local file = emu.place:write("value", value)
    return (shell("%s <'%s'", line, file))
  end

  local function credentials()
    local names = {}
    for _, one in ipairs(emu:graph("/applications/" .. app.id .. "?$select=passwordCredentials").passwordCredentials) do
      names[#names + 1] = one.displayName:match("^ml:") and "ours" or one.displayName
    end
    table.sort(names)
    return names
  end

  -- Nothing says by itself that it is in use; a person does, once, and then it is only looked at.
  local function confirm(row, why)
    assert.same({ "person", why or "give the client secret of 'Billing' to its consumer" }, { row.what, row.why })
    local marker = emu:run({ "journal", "list" }).out:match("ml:%x+:%x+")
    assert.equal(0, emu:run({ "journal", "confirm", marker }).status)
  end

  it("is carried by a person's hands, shown on a terminal only", function()
    local status, row = rotate "policy.handover {}"
    assert.equal(1, status)
    local outcome = emu:run { "journal", "show", emu:run({ "journal", "list" }).out:match("ml:%x+:%x+"), "--reveal" }
    assert.equal(2, outcome.status) -- there is no terminal here
    status = rotate "policy.handover {}"
    assert.equal(1, status) -- it waits, and nothing is made anew
    emu:later "1h" -- Entra lists new ones late
    assert.same({ "Billing", "ours" }, credentials())
    confirm(row, "hand the client secret over to the service that signs in as 'Billing': 1 item open; "
      .. "`moonlatch handover` shows it")
    status, row = rotate "policy.handover {}"
    assert.same({ 0, "wait" }, { status, row.what })
    assert.same({ "Billing", "ours" }, credentials()) -- what is not ours stays
  end)

  it("is a file that only the holder of a private key reads", function()
    certificates.write(path, "reader", 30)
    shell("mkdir %s/sealed", path)
    emu:configure(function(text)
      return (text:gsub("emulator = { clock", ("folders = { sealed = '%s/sealed' }, %%0"):format(path)))
    end)
    local sink = ("policy.sink('sinks/sealed-file', { to = '%s/reader.crt', folder = 'sealed' })"):format(path)
    local status, row = rotate(sink)
    assert.equal(1, status)
    local value = shell("cat %s/sealed/*.sealed | openssl cms -decrypt -inform PEM -inkey %s/reader.key", path, path)
    assert.equal("200", signs_in(value))
    confirm(row)
    assert.equal(0, (rotate(sink)))
    assert.equal("1\n", (shell("ls %s/sealed | wc -l", path)))
  end)

  it("is read by a program from its input, with no other way to it; one that fails is told again", function()
    local function program(rest)
      return emu.place:write("take", "#!/bin/sh\ncat >'" .. path .. "/got'\nenv >'" .. path .. "/env'\n"
        .. "printf '%s\\n' \"$@\" >'" .. path .. "/arguments'\n" .. rest .. "\n")
    end
    local words = ("programs = { take = { '/bin/sh', '%s' } }"):format(program "exit 3")
    emu:configure(function(text)
      return (text:gsub("emulator = { clock", words:gsub("%%", "%%%%") .. ", %0"))
    end)
    local sink = "policy.sink('sinks/program', { program = 'take', arguments = { '{name}', '{rotation}' } })"
    local status, row = rotate(sink)
    assert.same({ 1, "failed", "it exited with status 3" }, { status, row.what, row.why })
    assert.equal("200", signs_in((shell("cat %s/got", path))))
    program "exit 0"
    status, row = rotate(sink)
    assert.equal(1, status)
    local value = shell("cat %s/got", path)
    assert.equal("200", signs_in(value))
    local arguments = shell("cat %s/arguments", path)
    assert.truthy(arguments:find("^Billing\nml:%x+:%x+\n$"), arguments)
    assert.is_nil((arguments .. shell("cat %s/env", path)):find(value, 1, true))
    assert.is_nil((shell("cat %s/env", path):gsub("\nPWD=[^\n]*", ""):find("HOME=", 1, true)))
    confirm(row)
    assert.equal(0, (rotate(sink)))
    emu:later "1h" -- Entra lists new ones late
    assert.same({ "Billing", "ours" }, credentials())
  end)

  it("is gone for nobody: with hands that never confirm, the one before stays", function()
    rotate "policy.handover {}"
    emu:later "61d"
    rotate "policy.handover {}"
    emu:later "20d"
    rotate "policy.handover {}"
    assert.same({ "Billing", "ours", "ours" }, credentials())
  end)
end)
