--- log.hint: the options of this run in the commands that a person is told to run.

local hint = require "log.hint"
local json = require "host.json"
local moonlatch = require "moonlatch"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local TAKES = { apply = { "profile", "config", "scripts" }, journal = { "profile", "config" }, init = { "config" } }

describe("a command in a hint", function()
  after_each(function() hint.use({}, {}) end)

  it("stays as it is when the run was given no options", function()
    hint.use({}, TAKES)
    assert.equal("moonlatch apply setup/x", hint.text "{moonlatch} apply setup/x")
  end)

  it("gets the options of the run that the command takes, and no others", function()
    hint.use({ profile = "contoso", config = "/etc/m.lua", scripts = "/srv/s", quiet = true }, TAKES)
    assert.equal("Run `moonlatch --profile contoso --config /etc/m.lua journal list`, or: moonlatch --profile contoso "
      .. "--config /etc/m.lua --scripts /srv/s apply setup/x; moonlatch --config /etc/m.lua init; moonlatch new",
      hint.text "Run `{moonlatch} journal list`, or: {moonlatch} apply setup/x; {moonlatch} init; {moonlatch} new")
  end)

  it("keeps the options that it names itself, and takes no profile with --emulator", function()
    hint.use({ profile = "contoso", config = "/etc/m.lua" }, TAKES)
    assert.equal("moonlatch --config /etc/m.lua apply x --profile fabrikam",
      hint.text "{moonlatch} apply x --profile fabrikam")
    assert.equal("moonlatch --profile contoso apply x --config F; moonlatch apply x --emulator",
      hint.text "{moonlatch} apply x --config F; {moonlatch} apply x --emulator")
  end)

  it("quotes what a shell would take apart, and leaves a percent sign", function()
    hint.use({ profile = "our lab's", config = "/50%d/m.lua" }, TAKES)
    assert.equal([[moonlatch --profile 'our lab'\''s' --config '/50%d/m.lua' apply x]], hint.text "{moonlatch} apply x")
    assert.equal([[moonlatch --profile 'our lab'\''s' --config '/50%d/m.lua' apply 7]],
      hint.text("{moonlatch} apply %d", 7))
  end)

  it("is not looked for in what comes from elsewhere", function()
    hint.use({ profile = "contoso" }, TAKES)
    assert.equal("'moonlatch apply me', '{moonlatch} apply me': moonlatch --profile contoso apply x",
      hint.text("'%s', '%s': {moonlatch} apply x", "moonlatch apply me", "{moonlatch} apply me"))
  end)
end)

describe("the program", function()
  local emu, config
  setup(function()
    emu = rehearsal.new("--lag", "0", "--devolutions", "cloud")
    config = emu.config
  end)
  teardown(function() local _ <close> = emu end)

  local function run(...) return emu:run({ ... }, { whole = true }) end

  it("tells commands with the profile and the configuration that it was given", function()
    local outcome = run("apply", "setup/entra-pam-provider", "--yes", "--profile", "cloud")
    assert.equal(1, outcome.status, outcome.err)
    local command = ("moonlatch --profile cloud --config %s handover"):format(config)
    assert.truthy(outcome.out:find(command, 1, true), outcome.out)
    local refused = run("journal", "confirm", "nothing", "--profile", "cloud")
    assert.truthy(refused.err:find(("Run `moonlatch --profile cloud --config %s journal"):format(config), 1, true),
      refused.err)
    local document = assert(json.decode(run("doctor", "--json", "--profile", "cloud").out))
    local texts = json.encode(document)
    assert.truthy(texts:find(command, 1, true), texts)
  end)

  it("leaves a name of the tenant that reads like a command as it is", function()
    local name = "moonlatch rotate me"
    local app = emu:admin("add_app", { name = name })
    local outcome = run("plan", "setup/entra-pam-provider", "--client-id", app.appId, "--profile", "cloud")
    assert.truthy(outcome.out:find(("'%s'"):format(name), 1, true), outcome.out .. outcome.err)
    assert.is_nil((outcome.out .. outcome.err):find(config .. " rotate me", 1, true))
  end)

  it("names the configuration in commands that use it, and not in those that refuse it", function()
    local place <close> = moonlatch.place()
    local function next_of(kind)
      local outcome = place:run({ "new", kind, "mine", "--scripts", place.path, "--config", config }, { whole = true })
      return outcome.out .. outcome.err
    end
    assert.truthy(next_of("sink"):find(("moonlatch --config %s --scripts %s rehearse sink sinks/mine --with box=trial ")
      :format(config, place.path), 1, true))
    assert.truthy(next_of("policy"):find(("moonlatch --scripts %s rehearse policies/mine ")
      :format(place.path), 1, true))
  end)

  it("tells that it is the configuration which is missing, with the option", function()
    local place <close> = moonlatch.place()
    local outcome = place:run({ "plan", "setup/entra-pam-provider", "--config", place.path .. "/none.lua" },
      { whole = true })
    assert.truthy(outcome.err:find(("moonlatch init --config %s/none.lua"):format(place.path), 1, true), outcome.err)
    assert.is_nil(sys.stat(place.path .. "/none.lua"))
  end)
end)
