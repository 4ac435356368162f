-- takes 13 s: runs every command below strace and reads all that was written and kept in memory
-- Every secret of a whole job, searched in all that is said and written: 0 hits.
-- The file of a --secret-file is the exception; what the far side stores is its own.

local canary = require "canary"
local sys = require "host.sys"
local tap = require "tap"

local DUMPABLE = os.getenv "DUMPABLE"
local JOB = "setup/entra-pam-provider"

-- Errors that hold secrets: in a script's hands, in tracebacks, in what cannot be.
local BAD_SCRIPT = [[
local json, oauth, profile = require "json", require "oauth.sign_in", require "profile.current"
local secret, server = require "secret", require "devolutions.server"
local how = ...
local credential = oauth.credential()
server.login(profile.current())
local app_secret = profile.secret(profile.current().devolutions.app_secret, "the application's secret")
local function inner(value, refuse)
  local held = { value, credential, claims = oauth.claims() }
  if how == "error" then error(value) end
  if how == "table" then error(held) end
  if how == "text" then error("about " .. tostring(value) .. json.encode { value }) end
  if how == "join" then return "a" .. value end
  if how == "index" then return value.bytes.x end
  if how == "call" then return value() end
  if how == "format" then error(("%s %d"):format(value, value)) end
  if how == "closed" then
    value:close()
    return #value
  end
  print(value, ("%s|%10s"):format(value, credential), json.encode { secret = value }, tostring(held[2]))
  return refuse
end
return inner(app_secret)]]

describe("no secret of a job", function()
  local far, unlinked, secret_file
  local traces, said = {}, {}

  -- What is not dumpable is closed to strace, but for root's; and the leak checker of a
  -- sanitized build cannot work below it.
  local function strace_is_here()
    return sys.stat "/usr/bin/strace" ~= nil and DUMPABLE ~= nil
  end

  -- Run it, traced; what it says is kept to be searched.
  local function run(config, words, status)
    local number = #said + 1
    local trace = ("%s/trace-%d"):format(far.place.path, number)
    local all = { "--config", config, table.unpack(words) }
    local outcome = far.place:run(all, {
      before = strace_is_here() and canary.strace(trace) or nil, program = strace_is_here() and DUMPABLE or nil,
      seconds = 120, inside = true,
    })
    said[number] = far.place:write("said-" .. number, outcome.out .. outcome.err)
    if strace_is_here() then traces[#traces + 1] = trace end
    assert.equal(status, outcome.status, table.concat(words, " ") .. "\n" .. outcome.out .. outcome.err)
    return outcome
  end

  local function search(more)
    local files = { far.directory .. "/state", far.place.path .. "/other", table.unpack(said) }
    local found = canary.search(far, {
      files = table.move(more or {}, 1, #(more or {}), #files + 1, files), traces = traces, allowed = { secret_file },
    })
    return found
  end

  setup(function()
    far = tap.start()
    secret_file = far.place.path .. "/handed-over"
    unlinked = far.directory .. "/unlinked.lua"
    local text = assert(sys.read(far.config, 1 << 20)):gsub("linked = true", "linked = false")
    assert(sys.write(unlinked, text, "new"))
  end)
  teardown(function() far:close() end)

  it("is in what making, renewing, handing over and removing leaves behind", function()
    run(far.config, { "whoami", "--verbose" }, 0)
    run(far.config, { "apply", JOB, "--yes", "--verbose" }, 0)
    run(far.config, { "run", "rehearse/advance", "--by", "155d" }, 0)
    run(far.config, { "apply", JOB, "--yes", "--json", "--verbose" }, 0)
    run(unlinked, { "apply", JOB, "--name", "Second", "--yes", "--verbose", "--secret-file", secret_file }, 1)
    run(far.config, { "journal", "list", "--json" }, 0)
    run(far.config, { "report", "--html", "-" }, 3)
    run(far.config, { "journal", "verify", "--verbose" }, 0)
    run(far.config, { "destroy", JOB, "--yes", "--verbose" }, 1) -- the provider waits for a person
    assert.equal(384, sys.stat(secret_file).mode & 511)
    local found = search()
    assert.equal("", canary.describe(found))
    local kinds = found.secrets
    assert.is_true(kinds.access_token >= 8 and kinds.refresh_token >= 4)
    assert.is_true(kinds.device_code >= 4 and kinds.tokenId >= 4)
    assert.is_true((kinds.clientSecret or 0) + (kinds.secretText or 0) + (kinds.client_secret or 0) >= 3)
    assert.is_true(kinds["key journal.key"] == 1 and kinds["key devolutions.secret"] == 1)
    assert(found.searched > 50000, found.searched .. " bytes searched")
  end)

  it("is in an error of a far side that repeats what it was told", function()
    local cases = {
      { "login POST *device_code=* repeats_all_oauth" },
      { "graph POST *addPassword* repeats_all" },
      { "login POST *client_credentials* repeats_all_oauth" },
      { "devolutions POST *login* repeats_all" },
      { "devolutions POST */entry*clientSecret* repeats_all_broken" },
    }
    for i, rules in ipairs(cases) do
      far:rules(rules)
      run(far.config, { "apply", JOB, "--name", "Case " .. i, "--yes", "--verbose", i % 2 == 0 and "--json" or nil }, 1)
      assert.equal("", assert(sys.read(far.directory .. "/rules", 4096)))
    end
    assert.equal("", canary.describe(search()))
  end)

  it("is in what a script makes of it, or in the traceback of its error", function()
    local file = far.place:write("bad.lua", BAD_SCRIPT)
    for _, how in ipairs { "error", "table", "text", "join", "index", "call", "format", "closed" } do
      local outcome = run(far.config, { "run", file, how, "--verbose" }, 1)
      assert(outcome.err:find("traceback", 1, true) or how == "table" or how == "error", how .. outcome.err)
    end
    local outcome = run(far.config, { "run", file, "print", "--verbose" }, 0)
    assert.matches('%[secret%]\t%[secret%]|host%.credential: 0x%x+\t{"secret":"%[secret%]"}', outcome.out)
    assert.equal("", canary.describe(search()))
  end)

  it("would be missed: the search finds each where it is", function()
    local found = search { far.directory .. "/wire.jsonl" }
    local kinds = {}
    for _, hit in ipairs(found.hits) do kinds[hit.kind] = true end
    for kind in pairs(found.secrets) do assert(kinds[kind] or kind == "key journal.key", kind) end
    found = canary.search(far, { files = { secret_file } })
    assert.is_true(#found.hits > 0)
    if not strace_is_here() then return pending("no strace here: what was written was not watched") end
    found = canary.search(far, { traces = traces })
    assert.is_true(#found.hits > 0)
    for _, hit in ipairs(found.hits) do assert(hit.where:find(secret_file, 1, true), hit.where) end
  end)
end)
