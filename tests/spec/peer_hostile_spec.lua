-- takes 8 s: a hostile service is asked some hundred and twenty times
-- Hostile services as peers (tests/misdeeds.py): what is said about them, and that neither the credential nor a secret
-- that was sent comes out anywhere.

local json = require "host.json"
local moonlatch = require "moonlatch"
local process = require "host.process"

local SCRIPT = [==[
local fail, json, peer, secret = require "fail", require "json", require "peer", require "secret"
local task = require "task"
local CALLS = { { "POST /misdeed/{name}", secrets = { "data.*" }, answers = { "data.*" } }, "GET /misdeed/{name}" }
return {
  summary = "misdeeds",
  needs = { peers = { odd = CALLS, odd1 = CALLS, odd2 = CALLS, odd3 = CALLS } },
  run = function()
    local value = secret.generate(24)
    local function say(method, name, ok, result)
      local said = { method = method, name = name, ok = ok, text = not ok and tostring(result) or nil }
      if ok then said.text = json.encode(result) end
      for _, member in ipairs { "kind", "what", "why", "fix" } do
        if fail.is(result) then said[member] = result[member] end
      end
      print(json.encode(said))
    end
    for name in ("NAMES"):gmatch("%S+") do
      local path = peer.path("/misdeed/{name}", name)
      local ok, result = pcall(peer.odd.post, peer.odd, path, { data = { password = value } })
      say("POST", name, ok, result)
      if ok then say("GET", name, pcall(peer.odd.get, peer.odd, path)) end -- another failure would be tried again
    end
    -- What asks to wait holds all calls of its peer back, so each is a peer of its own.
    local slow, waits = {}, 0
    for name in ("SLOW"):gmatch("%S+") do
      local is_wait = name:find "^wait_"
      waits = waits + (is_wait and 1 or 0)
      slow[#slow + 1] = { name = name, peer = is_wait and "odd" .. waits or "odd" }
    end
    task.map(slow, #slow, function(one)
      local path = peer.path("/misdeed/{name}", one.name)
      say("POST", one.name, pcall(peer[one.peer].post, peer[one.peer], path, { data = { password = value } },
        { timeout = 1 }))
    end)
  end,
}
]==]

-- Answers that HTTP and JSON allow, so that a script gets them.
local HARMLESS = {}
for name in ([[array compressed cookie deflate early_hints empty gzip gzip_twice long_member long_text many_arrays
  many_members many_numbers many_objects nothing null ok repeats_all_ok same_lengths string trailer two_answers
  ]]):gmatch("%S+") do
  HARMLESS[name] = true
end

local KINDS = {}
for kind in ("network bad_answer transient throttled auth denied refused timeout unknown_outcome conflict missing")
  :gmatch("%S+") do
  KINDS[kind] = true
end

-- Answers that take longer than the call allows, and answers that ask for a wait. The clock is the emulator's, so a
-- wait takes no time. The service closes a connection after each answer, so another request there may get none.
local function is_slow(name)
  return name:find("^stall") or name:find("^drip") or name:find("^wait_") or name == "endless_extension"
end

describe("a hostile peer", function()
  local place, child, service, outcome

  local function slurp(path)
    local file <close> = assert(io.open(path))
    return file:read "a"
  end

  setup(function()
    place = moonlatch.place()
    assert(os.execute("mkdir " .. place.path .. "/service"))
    local words = { "/usr/bin/python3", "-B", SOURCE .. "/tests/service.py", place.path .. "/service" }
    child = assert(process.start(words, nil, nil, "kept"))
    service = assert(json.decode(assert(child:line(30))))
    place:write("token", service.token)
    place:write("journal.key", ("k"):rep(64))
    place:write("clock", ("\0"):rep(8))
    place:write("moonlatch.lua", ([[
      local odd = { url = %q, ca = %q, credential = { bearer = { from = "file", path = "token" } } }
      return { profiles = { p = { emulator = { clock = "clock" }, tenant = "contoso.com",
        cloud = { login = "https://127.0.0.1:1", graph = "https://127.0.0.1:2" },
        key = { from = "file", path = "journal.key" }, peers = { odd = odd, odd1 = odd, odd2 = odd, odd3 = odd } } } }
    ]]):format(service.base, service.ca))
    local names = { NAMES = {}, SLOW = {} }
    for _, name in ipairs(service.misdeeds) do
      table.insert(is_slow(name) and names.SLOW or names.NAMES, name)
    end
    for word, list in pairs(names) do names[word] = table.concat(list, " ") end
    local script = place:write("script.lua", (SCRIPT:gsub("%u%u+", names)))
    outcome = place:run({ "run", script, "--config", place.path .. "/moonlatch.lua", "--verbose" }, { seconds = 240 })
  end)
  teardown(function()
    child:close()
    local _ <close> = place
  end)

  it("is told as such, with a cause and a fix", function()
    assert.equal(0, outcome.status, outcome.err)
    local count = 0
    for line in outcome.out:gmatch("[^\n]+") do
      local said = assert(json.decode(line))
      local text = ("%s %s: %s"):format(said.method, said.name, tostring(said.text))
      count = count + 1
      if said.ok then
        assert.is_true(HARMLESS[said.name] == true, text)
      else
        assert.is_true(KINDS[said.kind] == true, text .. "\nkind " .. tostring(said.kind))
        if is_slow(said.name) then
          local is_wait = said.name:find "^wait_" and said.kind == "throttled"
          assert.is_true(is_wait or said.kind == "unknown_outcome", text)
        end
        if said.kind == "unknown_outcome" then
          assert.matches("^Look at the service behind peers.odd%d? of the profile", said.fix)
        end
        for _, member in ipairs { "what", "why", "fix" } do
          assert.is_truthy(said[member] and said[member]:find "%S", text .. "\nno " .. member)
        end
        assert.is_true(#said.why < 2000, text)
      end
    end
    assert.is_true(count >= 120, tostring(count))
  end)

  it("learns what it is sent, and nobody else does", function()
    local passwords = {}
    for line in slurp(service.log):gmatch("[^\n]+") do
      local request = assert(json.decode(line))
      assert.equal("Bearer " .. service.token, request.headers.authorization)
      assert.matches("^/misdeed/", request.path)
      local password = request.body:match '^{"data":{"password":"(.*)"}}$'
      if request.method == "POST" then passwords[password] = true end
    end
    local password = assert(next(passwords))
    assert.is_nil(next(passwords, password))
    local everything = outcome.out .. outcome.err
    assert.is_nil(everything:find(password, 1, true))
    local at = everything:find(service.token, 1, true)
    assert.is_nil(at, at and everything:sub(at - 300, at + 100))
    assert.is_nil(everything:find("landed", 1, true))
  end)
end)
