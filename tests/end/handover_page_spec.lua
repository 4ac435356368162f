-- takes 6 s: a person asks the page by curl
--- The hand-over's page, from the built program on the built-in emulator: a person's requests by curl, and what is on
--- record when the program is killed at each point.

local job = require "setup_job"
local json = require "host.json"
local process = require "host.process"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local apply, must, words = job.apply, job.must, job.words

local function new() return rehearsal.new("--devolutions", "cloud") end

-- The program with the page, and its address.
local function start(emu, settings, ...)
  local line = { "/usr/bin/env", "HOME=" .. emu.place.path, "ASAN_OPTIONS=" .. (os.getenv "ASAN_OPTIONS" or "") }
  local program = os.getenv "DUMPABLE" or os.getenv "MOONLATCH"
  for _, setting in ipairs(settings) do line[#line + 1] = setting end
  for _, word in ipairs { program, "handover", "--page", "--config", emu.config, ... } do line[#line + 1] = word end
  return assert(process.start(line, nil, nil, "kept"))
end

local function open(emu)
  local child = start(emu, {}, "--json")
  local line = assert(child:line(20), "the page is not there")
  local ready = assert(json.decode(line))
  assert.equal(sys.user(), ready["for"])
  local base, token = ready.url:match "^(http://127%.0%.0%.1:%d+)/#(.+)$"
  return { child = child, base = base, token = token }
end

local function send(page, path, body)
  local line = { "curl -sS -m 10 -H 'Sec-Fetch-Site: same-origin' -H 'Content-Type: application/json'" }
  line[2] = ("-H 'Origin: %s' -H 'Moonlatch-Session: %s' -d '%s' %s%s"):format(page.base, page.session or "",
    json.encode(body or {}), page.base, path)
  local pipe <close> = assert(io.popen(table.concat(line, " ")))
  return assert(json.decode(pipe:read "a"))
end

local function begin(emu)
  local page = open(emu)
  page.session = assert(send(page, "/session", { token = page.token }).session)
  return page
end

local function look(emu)
  local _, document = emu:json { "handover" }
  return document.handovers[1]
end

-- How the journal tells that the secret left, oldest first.
local function reveals(emu)
  local _, list = emu:json { "journal", "history" }
  local found = {}
  for _, record in ipairs(list) do
    if record.kind == "reveal" then found[#found + 1] = record end
  end
  return found
end

local function kill(page)
  page.child:kill "KILL"
  page.child:wait(10)
end

-- How often each text is in the memory of a process. The texts come by standard input.
local SEARCH = [[
import re, sys
pid, needles = sys.argv[1], [line.strip().encode() for line in sys.stdin]
counts = [0] * len(needles)
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
    for line in maps:
        first, last, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
        if "rw" not in rights:
            continue
        try:
            memory.seek(int(first, 16))
            found = memory.read(int(last, 16) - int(first, 16))
        except OSError:
            continue
        counts = [count + found.count(needle) for count, needle in zip(counts, needles)]
print(*counts)
]]

local function search(emu, page, ...)
  emu.place:write("search.py", SEARCH)
  emu.place:write("needles", table.concat({ ... }, "\n") .. "\n")
  local line = ("python3 '%s/search.py' %d <'%s/needles'"):format(emu.place.path, page.child:pid(), emu.place.path)
  local pipe <close> = assert(io.popen(line))
  local counts = {}
  for count in pipe:read("a"):gmatch "%d+" do counts[#counts + 1] = tonumber(count) end
  return counts
end

-- Runs a program on a terminal that belongs to another user; passes on what it shows.
local ON_TERMINAL = [[
import os, pty, sys
ours, theirs = pty.openpty()
os.fchown(theirs, int(sys.argv[1]), -1)
if os.fork() == 0:
    os.login_tty(theirs)
    os.execv(sys.argv[2], sys.argv[2:])
os.close(theirs)
while data := os.read(ours, 4096):
    os.write(1, data)
]]

local OTHER = "12345"

local function status_as(user, url)
  local pipe <close> = assert(io.popen(("setpriv --reuid=%s --regid=%s --clear-groups curl -s -m 5 -o /dev/null "
    .. "-w '%%{http_code}' %s"):format(user, user, url)))
  return pipe:read "a"
end

describe("the hand-over's page", function()
  it("leads from the address to the confirmation", function()
    local emu <close> = new()
    must(apply(emu), 1)
    local page = begin(emu)
    local state = send(page, "/state")
    assert.same({ "licence", "to give", "add" }, { state.next, state.secret.state, state.form.purpose })
    assert.equal("done", send(page, "/tick", { key = "licence", done = true }).items[1].state)
    local answer = send(page, "/confirm", { id = state.secret.id })
    assert.truthy(answer.error:find("Hand it over first", 1, true), answer.error)
    local value = send(page, "/secret").secret
    assert.equal(state.secret.hint, value:sub(1, 3))
    assert.equal(1, #reveals(emu))
    assert.is_true(send(page, "/tested", { done = true }).page.tested)
    answer = send(page, "/confirm", { id = "another" })
    assert.truthy(answer.error:find("another one was made meanwhile", 1, true), answer.error)
    state = send(page, "/confirm", { id = state.secret.id })
    assert.equal("in use", state.secret.state)
    send(page, "/end")
    assert.equal(0, page.child:wait(10))
    state = look(emu)
    assert.same({ "in use", "done", "page" }, { state.secret.state, state.items[1].state, state.items[1].how })
  end)

  it("leaves a consistent state wherever it is killed, and can be asked for again", function()
    local emu <close> = new()
    must(apply(emu), 1)
    kill(open(emu)) -- the page was open
    assert.same({ "to give", 0 }, { look(emu).secret.state, #reveals(emu) })
    local page = begin(emu)
    local value = send(page, "/secret").secret
    kill(page) -- the secret was shown
    assert.same({ "given", "provider", 1 }, { look(emu).secret.state, look(emu).form and "provider", #reveals(emu) })
    page = begin(emu)
    assert.equal(value, send(page, "/secret").secret)
    kill(page)
    assert.same({ "given", 2 }, { look(emu).secret.state, #reveals(emu) })
    page = begin(emu)
    send(page, "/confirm", { id = send(page, "/state").secret.id })
    kill(page)
    assert.equal("in use", look(emu).secret.state)
  end)

  it("keeps nothing of the secret in memory once it was sent", function()
    if not os.getenv "DUMPABLE" then return pending "a build for sanitizers does not wipe what it frees" end
    local emu <close> = new()
    must(apply(emu), 1)
    local page = begin(emu)
    local value = send(page, "/secret").secret
    send(page, "/state") -- the connection before is closed by now
    local counts = search(emu, page, value, value:sub(1, 16), value:sub(-16), page.session)
    assert.same({ 0, 0, 0 }, { counts[1], counts[2], counts[3] })
    assert(counts[4] > 0, "the search finds nothing at all")
    kill(page)
  end)

  it("ends with its input", function()
    local emu <close> = new()
    must(apply(emu), 1)
    local page = open(emu)
    page.child:close()
    assert.equal(7, (select(3, os.execute("curl -s -m 5 -o /dev/null " .. page.base))))
  end)

  it("tells how to come from another computer, and for whom it is", function()
    local emu <close> = new()
    must(apply(emu), 1)
    local child <close> = start(emu, { "SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22" }, "--for", "daemon")
    local lines = {}
    for i = 1, 4 do lines[i] = assert(child:line(20)) end
    local port = lines[2]:match "^http://127%.0%.0%.1:(%d+)/#"
    assert.equal("It works once, and only for the user 'daemon'. Enter: a new address; Ctrl-D: end the page.", lines[3])
    assert.equal(("You are here by ssh. On your own computer run: ssh -L %s:127.0.0.1:%s HOST; then open the address "
      .. "there."):format(port, port), lines[4])
    local outcome = must(emu:run { "handover", "--for", "daemon" }, 2)
    assert.truthy(outcome.err:find("--for is given without --page", 1, true), outcome.err)
  end)

  it("is for the owner of the terminal, and not for the user whom the program runs as", function()
    if sys.user() ~= "root" then return pending "only root can give a terminal to another user" end
    local emu <close> = new()
    must(apply(emu), 1)
    local child <close> = assert(process.start { "/usr/bin/python3", "-c", ON_TERMINAL, OTHER, "/usr/bin/env",
      "HOME=" .. emu.place.path, os.getenv "MOONLATCH", "handover", "--page", "--config", emu.config })
    local shown, line = {}, ""
    while not line:find("It works once", 1, true) do
      line = assert(child:line(20), "the page is not there")
      shown[#shown + 1] = line
    end
    assert.truthy(line:find("only for the user '12345'", 1, true), line)
    local base = table.concat(shown, "\n"):match "http://127%.0%.0%.1:%d+/"
    assert.same({ "200", "403", "403" }, { status_as(OTHER, base), status_as("0", base), status_as("1", base) })
  end)

  it("gives a new address on Enter, and apply goes on after it", function()
    local emu <close> = new()
    local shown = emu:talk(words("apply", "--managed", job.MANAGED, "--no-jit-elevation"), { "Apply this to", "y\\n",
      "Enter for later", "p\\n", "Ctrl-D: end the page", "\\n",
      "Ctrl-D: end the page", "^D", "Enter for later", "\\n" })
    local tokens = {}
    for token in shown:gmatch "http://127%.0%.0%.1:%d+/#([%w_-]+)" do tokens[#tokens + 1] = token end
    assert.equal(2, #tokens, shown)
    assert.are_not.equal(tokens[1], tokens[2])
    assert.truthy(shown:find("The page is ended.", 1, true), shown)
    assert.equal("to give", look(emu).secret.state)
  end)
end)
