--- Rotation as a service: the units that are shipped, and what SIGTERM does to a run.

local await = require "await"
local process = require "host.process"
local rehearsal = require "rehearsal"

local function slurp(path)
  local file <close> = assert(io.open(path))
  return file:read("a")
end

local function output_of(line)
  local pipe = assert(io.popen(line .. " 2>&1"))
  local text = pipe:read("a")
  local _, _, status = pipe:close()
  return text, status
end

local BUILT = os.getenv("MOONLATCH"):match("^(.*)/[^/]*$") .. "/service"

describe("the units", function()
  -- As installed, but with the program that was just built.
  local function unpack_units(folder)
    assert(io.open(folder .. "/moonlatch-failed@.service", "w")):write(slurp(SOURCE
      .. "/service/moonlatch-failed@.service"):gsub("ExecStart=%S+", "ExecStart=/bin/true"), ""):close()
    for _, name in ipairs { "moonlatch-rotate@.service", "moonlatch-watch@.service", "moonlatch-notify@.service",
      "moonlatch-mail@.service", "moonlatch-report.service" } do
      local text = slurp(BUILT .. "/" .. name):gsub("ExecStart=%S+", "ExecStart=" .. os.getenv "MOONLATCH")
      assert(io.open(folder .. "/" .. name, "w")):write(text):close()
    end
    for _, name in ipairs { "moonlatch-rotate@.timer", "moonlatch-notify@.timer", "moonlatch-report.timer" } do
      assert(io.open(folder .. "/" .. name, "w")):write(slurp(SOURCE .. "/service/" .. name)):close()
    end
  end

  it("are understood by systemd, and confined", function()
    if not os.execute("command -v systemd-analyze >/dev/null") then return pending("needs systemd-analyze") end
    local place <close> = require("moonlatch").place()
    unpack_units(place.path)
    assert.same({ "", 0 }, { output_of(("SYSTEMD_PAGER=cat systemd-analyze verify --man=no '%s'/moonlatch-*")
      :format(place.path)) })
    for _, name in ipairs { "rotate@", "watch@", "notify@", "report" } do
      local text = output_of(("SYSTEMD_PAGER=cat systemd-analyze security --offline=true '%s'/moonlatch-%s.service")
        :format(place.path, name))
      local exposure = tonumber(text:match("Overall exposure level for %S+: ([%d.]+)"))
      assert.is_true(exposure ~= nil and exposure <= 1.5, text)
    end
  end)

  it("write reports into a folder of the service's own", function()
    local text = slurp(BUILT .. "/moonlatch-report.service")
    assert.truthy(text:find("/moonlatch report --html /var/lib/moonlatch/reports --csv /var/lib/moonlatch/reports ", 1,
      true))
    assert.truthy(text:find("\nStateDirectory=moonlatch/reports\n", 1, true))
    assert.truthy(text:find("\nUser=moonlatch\n", 1, true))
    assert.is_nil(text:find("@[%u_]+@"))
  end)

  it("name options and files that exist", function()
    for _, name in ipairs { "rotate", "watch", "notify" } do
      local text = slurp(("%s/moonlatch-%s@.service"):format(BUILT, name))
      local words = text:match("\nExecStart=%S+ ([^\n]*)\n")
      assert.truthy(words:find(name == "notify" and "notify notices/%i " or "rotate policies/%i ", 1, true), words)
      assert.is_nil(text:find("@[%u_]+@"))
      assert.truthy(text:find("LoadCredential=moonlatch.key:", 1, true))
    end
  end)

  it("act as one user, whom the list of users makes, and tell when they fail", function()
    for _, name in ipairs { "rotate", "watch", "notify" } do
      local text = slurp(("%s/moonlatch-%s@.service"):format(BUILT, name))
      assert.truthy(text:find("\nUser=moonlatch\nGroup=moonlatch\n", 1, true))
      assert.is_nil(text:find("\nDynamicUser", 1, true))
      local looks = name ~= "notify" and " moonlatch-notify@team.service" or "" -- a look at once, not in an hour
      assert.truthy(text:find(("\nOnFailure=moonlatch-failed@%%n.service moonlatch-mail@%%n.service%s\n"):format(looks),
        1, true), text)
    end
    assert.truthy(slurp(SOURCE .. "/service/sysusers.conf"):find('\nu moonlatch - "Moonlatch" /var/lib/moonlatch\n', 1,
      true))
    assert.equal("moonlatch", require("machine.state_folder").SERVICE_USER)
  end)
end)

describe("moonlatch-mail", function()
  local function mail(...)
    local place <close> = require("moonlatch").place()
    place:write("sendmail", "#!/bin/sh\nprintf '%s|' \"$@\"\ncat\n")
    assert(os.execute(("chmod 700 '%s/sendmail'"):format(place.path)))
    return output_of(("env -i PATH=/usr/bin:/bin SENDMAIL='%s/sendmail' %s '%s/service/moonlatch-mail' '%s'")
      :format(place.path, select(2, ...) or "", SOURCE, (...)))
  end

  it("tells root, or whom it is told, which unit failed where, and nothing of why", function()
    local text, status = mail "moonlatch-rotate@tier0-users.service"
    assert.equal(0, status)
    local header, body = text:match "^(.-\n)\n(.*)$"
    local host = output_of "uname -n":gsub("\n", "")
    assert.equal(("-t|-i|To: root\nSubject: moonlatch-rotate@tier0-users.service failed on %s\n"
      .. "Auto-Submitted: auto-generated\nContent-Type: text/plain; charset=utf-8\n"):format(host), header)
    assert.truthy(body:find("\n  journalctl -u 'moonlatch-rotate@tier0-users.service' -n 50\n", 1, true))
    assert.truthy(mail("x.service", "MAILTO=pam@contoso.com"):find("|To: pam@contoso.com\n", 1, true))
  end)

  it("is silent where there is no sendmail, and about one unit for six hours", function()
    local text = slurp(BUILT .. "/moonlatch-mail@.service")
    assert.truthy(text:find("\nConditionFileIsExecutable=/usr/sbin/sendmail\nStartLimitIntervalSec=6h\n"
      .. "StartLimitBurst=1\n", 1, true))
    assert.truthy(text:find("\nExecStart=/%S+/moonlatch%-mail %%i\n"), text)
  end)
end)

describe("moonlatch-operator", function()
  -- With programs of systemd that tell what they were asked for. The user is root there.
  local function operate(...)
    local place <close> = require("moonlatch").place()
    assert(os.execute(("cp '%s/moonlatch-rotate@.service' '%s/unit'"):format(BUILT, place.path)))
    place:write("bin/systemctl", ('#!/bin/sh\necho "# /x"; cat "%s/unit"; printf "\\n# /y\\n[Service]\\n"; '
      .. 'echo "LoadCredential=dvls:/a b"\n'):format(place.path))
    place:write("bin/systemd-run", "#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 3\n")
    place:write("bin/id", "#!/bin/sh\necho 0\n")
    assert(os.execute(("chmod 700 '%s'/bin/*"):format(place.path)))
    local words = {}
    for i, word in ipairs { ... } do words[i] = "'" .. word .. "'" end
    local text, status = output_of(("PATH='%s/bin':/usr/bin:/bin sh '%s/moonlatch-operator' %s </dev/null"):format(
      place.path, BUILT, table.concat(words, " ")))
    local lines = {}
    for line in text:gmatch("[^\n]+") do lines[#lines + 1] = line end
    return lines, status, text
  end

  it("runs what it is given as the units run, whose settings it reads", function()
    local lines, status, text = operate("journal", "resume", "a b", "*")
    assert.equal(3, status)
    assert.same({ "journal", "resume", "a b", "*" }, table.move(lines, #lines - 3, #lines, 1, {}))
    local at = #lines - 10
    assert.same({ "--pipe", "--" }, { lines[at], lines[at + 1] })
    assert.matches("/bin/moonlatch$", lines[at + 2])
    local settings = {}
    for i, line in ipairs(lines) do
      if line == "-p" then settings[lines[i + 1]] = true end
    end
    for line in slurp(SOURCE .. "/service/hardening.conf"):gmatch("[^\n]+") do
      if line:sub(1, 1) ~= "#" then assert.is_true(settings[line], line) end
    end
    assert.is_true(settings["LoadCredential=dvls:/a b"])
    for _, never in ipairs { "Type=", "ExecStart=", "TimeoutS", "Restart=", "OnFailure=", "Description=M" } do
      assert.is_nil(text:find("\n" .. never, 1, true), never)
    end
  end)
end)

describe("rotate --watch", function()
  it("ends the rotation in hand when it is told to end, and begins no other", function()
    local emu <close> = rehearsal.new()
    emu:fault "graph PATCH /users/* slow:1500"
    local child <close> = assert(process.start({
      "/usr/bin/env", "HOME=" .. emu.place.path, os.getenv "MOONLATCH", "--config", emu.config, "rotate",
      "policies/tier0-users", "--watch", "--yes",
    }, nil, nil, "kept"))
    assert.truthy(child:line(20):find("^watching 1 policy; Ctrl%-C or SIGTERM ends it"))
    -- The canary's, which is answered late:
    await.event("a password is changed", function() return emu:count "PATCH" == 1 end)
    child:kill "TERM"
    assert.equal(0, child:wait(20), child:complaint())
    assert.equal(1, emu:count "PATCH")
    local status, document = emu:json { "plan", "policies/tier0-users" }
    local counts = {}
    for _, row in ipairs(document.policies[1].accounts) do counts[row.what] = (counts[row.what] or 0) + 1 end
    assert.same({ 3, { wait = 1, change = 4 } }, { status, counts })
  end)

  it("ends while it waits", function()
    local emu <close> = rehearsal.new()
    local child <close> = assert(process.start({
      "/usr/bin/env", "HOME=" .. emu.place.path, os.getenv "MOONLATCH", "--config", emu.config, "rotate",
      "policies/tier0-users", "--watch", "--yes",
    }, nil, nil, "kept"))
    await.event("all passwords are changed", function() return emu:count "PATCH" >= 5 end)
    child:kill "TERM"
    assert.equal(0, child:wait(20), child:complaint())
    assert.equal(0, emu:run({ "journal", "verify" }).status)
  end)
end)
