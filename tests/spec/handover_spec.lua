--- handover: where it stands, ticking items, and giving the client secret to a person.

local checklist = require "devolutions.checklist"
local form = require "devolutions.form"
local give = require "handover.deliver"
local json = require "json"
local rows = require("journal.rotations").client_secrets
local secret = require "host.secret"
local stage = require "stage"
local states = require "handover.state"
local sys = require "host.sys"
local text = require "handover.summary"
local tick = require "handover.tick"

local NOW = 1796000000
local DAY = 86400
local CLIENT = "11111111-2222-4333-8444-555555555555"
local CLOUD = "https://contoso.devolutions.app"

local journal, reveal

local function body_of(more)
  local body = {
    workflow = "setup/entra-pam-provider", name = "Devolutions PAM", tenant = "aaaaaaaa-0000-4000-8000-000000000001",
    client_id = CLIENT, application = "obj-1", consumer = "cloud", address = CLOUD, linked = false,
    roles = { "Helpdesk Administrator" }, managed = { "PAM managed" },
  }
  for name, value in pairs(more or {}) do body[name] = value end
  return body
end

local function state_now(now) return states.read(journal, states.rows(journal)[1], now or NOW) end

-- A client secret on record, its value sealed.
local function made(key_id, state, more)
  local row = rows:new(journal, {
    application = "obj-1", app_id = CLIENT, name = "Devolutions PAM", workflow = "w", key_id = key_id, hint = "abc",
    ends = NOW + 180 * DAY, known_at = NOW, grace = 7 * DAY,
  })
  rows:seal(journal, row, secret.from("the-value-of-" .. key_id))
  rows:put(journal, row, state, more)
  return row
end

local function keys_of(list)
  local keys = {}
  for i, item in ipairs(list) do keys[i] = item.key end
  return keys
end

local function item_of(state, key)
  for _, item in ipairs(state.items) do
    if item.key == key then return item end
  end
end

before_each(function()
  journal, reveal = stage.journal(), give.reveal
  states.record(journal, body_of())
end)
after_each(function() give.reveal = reveal end)

describe("the checklist", function()
  it("has for Cloud what the vendor's pages ask for, in the order of doing it, each with who, where and how one knows",
    function()
      local items = checklist.items("cloud", CLOUD)
      assert.same({ "licence", "identity", "permissions", "vault", "vault_permission", "services", "pam_service",
        "provider", "people", "account", "proof" }, keys_of(items))
      for _, item in ipairs(items) do
        assert(item.what and item.who and item.where and item.known_by, item.key)
        assert.truthy(item.link:find("^https://docs%.devolutions%.net/"), item.key)
        assert.equal(item.key ~= "people", item.required)
      end
      assert.truthy(items[6].where:find("https://devolutions.net/download-center/#hub", 1, true))
      assert.truthy(items[6].where:find("Host: https://contoso.devolutions.app;", 1, true))
      assert.equal("Administration > Application services > Add > PAM service: name, description, the application "
        .. "identity", items[7].where)
    end)

  it("has for Server only the provider as required: our own sign-in shows the rest", function()
    local items = checklist.items "server"
    assert.same({ "provider", "account", "people", "proof" }, keys_of(items))
    assert.same({ true, false, false, false }, { items[1].required, items[2].required, items[3].required,
      items[4].required })
  end)
end)

describe("the form", function()
  local function lines(values, purpose)
    values.name, values.tenant, values.client_id = "PAM", "t-1", "c-1"
    local made_of, fields = form.for_purpose(values, purpose), {}
    for i, one in ipairs(made_of.fields) do fields[i] = one.field end
    return made_of, fields
  end

  it("of Cloud takes the secret itself, and has no credential type", function()
    local add, fields = lines({ consumer = "cloud", address = CLOUD, short = "…c7e1" }, "add")
    assert.same({ "Name", "Description", "Password template", "Tenant ID", "Client ID", "Secret key",
      "Test connection", "Checkout policy mode", "Account lifecycle policy mode", "Just-in-time elevation" }, fields)
    assert.same({ "Add", CLOUD, "Administration > Privileged Access > Providers > Add Provider (+) > Entra ID user" },
      { add.button, add.link, add.where })
    assert.same({ field = "Secret key", secret = true,
      note = "the client secret …c7e1: its Value, not its Secret ID; shown on request" }, add.fields[6])
    assert.same({ "on the entry of a managed account: ellipsis menu > Reset password",
      "then Reports > Privileged Access > Tasks shows that reset as Completed" }, add.proof)
  end)

  it("of Server names the entry where the provider reads it, and takes the secret where not", function()
    local add, fields = lines({ consumer = "server", linked = true, entry = "vault 'V', PAM" }, "add")
    assert.same({ "Name", "Description", "Tenant ID", "Client ID", "Credential type", "Linked credential",
      "Password template", "Add a PAM vault", "Add a new scan configuration", "Test connection" }, fields)
    assert.same({ "Linked credential", "vault 'V', PAM", "Save" },
      { add.fields[5].value, add.fields[6].value, add.button })
    fields = select(2, lines({ consumer = "server" }, "add"))
    assert.equal("Secret key", fields[6])
  end)

  it("for a renewal replaces the secret in the provider there is, and says what no page tells", function()
    local renew, fields = lines({ consumer = "cloud", address = CLOUD }, "renew")
    assert.same({ "Tenant ID", "Client ID", "Secret key", "Test connection" }, fields)
    assert.equal("Save or Update, whichever the form has", renew.button)
    assert.equal("Administration > Privileged Access > Providers > 'PAM' > edit (the pen, or the ellipsis menu: "
      .. "no page of the vendor describes it)", renew.where)
    assert.is_nil((renew.where .. renew.title):find "Add")
  end)

  it("for a removal says which provider", function()
    local remove = lines({ consumer = "cloud", address = CLOUD }, "remove")
    assert.equal("remove the provider 'PAM'", remove.title)
    assert.same({ field = "Client ID", value = "c-1", note = "it tells which provider is meant" }, remove.fields[2])
  end)

  it("of what is not Devolutions has what any of them needs", function()
    local _, fields = lines({ consumer = "none" }, "add")
    assert.same({ "Tenant ID", "Client ID", "Secret key" }, fields)
  end)
end)

describe("the state of a hand-over", function()
  it("begins with all items open, the first one next, and no secret", function()
    local state = state_now()
    assert.same({ 10, "licence", false, "none", "add" },
      { state.open, state.next, state.complete, state.secret.state, state.form.purpose })
    assert.equal("there is no client secret to give yet: apply makes and proves it", item_of(state, "provider").note)
  end)

  it("ticks the provider by the secret that was confirmed, and opens it for the next one, as a renewal", function()
    local row = made("0000c7e1", "proven")
    assert.same({ "to give", "…c7e1" }, { state_now().secret.state, state_now().secret.short })
    give.record_given(journal, row, "terminal")
    assert.equal("given", state_now().secret.state)
    give.confirm(journal, row, "ada")
    local state = state_now()
    assert.same({ "in use", "done", "ada" },
      { state.secret.state, item_of(state, "provider").state, item_of(state, "provider").by })
    assert.is_nil(state.form)
    made("00009f00", "proven")
    state = state_now()
    assert.same({ "to give", "renew", "open" },
      { state.secret.state, state.form.purpose, item_of(state, "provider").state })
    assert.equal("it has the client secret …c7e1; …9f00 is to take its place", item_of(state, "provider").note)
    state = state_now(NOW + 181 * DAY)
    assert.is_true(state.secret.has.expired)
    assert.equal("it has the client secret …c7e1, which expired on 2027-05-29; …9f00 is to take its place",
      item_of(state, "provider").note)
  end)

  it("is not complete while the consumer has one that expired and no other was made", function()
    made("0000c7e1", "confirmed", { confirmed_at = NOW, confirmed_by = "ada" })
    local item = item_of(state_now(NOW + 181 * DAY), "provider")
    assert.same({ "open", "it has the client secret …c7e1, which expired on 2027-05-29; apply makes the next one" },
      { item.state, item.note })
  end)

  it("counts what a policy left to a person as not given", function()
    made("0000c7e1", "handed_over", { where = "journal" })
    assert.equal("to give", state_now().secret.state)
  end)

  it("takes an earlier version's one yes for the items that it was about", function()
    journal:put("checklist", CLOUD, "confirmed", { workflow = "w" }, NOW)
    local state = state_now()
    assert.same({ 5, "licence", "done", "open" },
      { state.open, state.next, item_of(state, "services").state, item_of(state, "vault").state })
    tick(journal, state, "services", false, "ada", "command")
    assert.equal("open", item_of(state_now(), "services").state)
  end)

  it("shares the items of the instance between providers, and no others", function()
    states.record(journal, body_of { client_id = "other", name = "Second" })
    tick(journal, state_now(), "licence", true, "ada", "terminal")
    tick(journal, state_now(), "account", true, "ada", "terminal")
    local second = states.read(journal, states.rows(journal, "second")[1], NOW)
    assert.same({ "done", "open" }, { item_of(second, "licence").state, item_of(second, "account").state })
  end)

  it("names what stays once the application is gone, and how to remove the provider", function()
    made("0000c7e1", "handed_over", { stored_at = NOW, where = "terminal" })
    states.record_application_gone(journal, states.without_application(journal, states.rows(journal)[1]))
    local state = state_now()
    assert.same({ "gone_account", "gone_provider", "gone_service" }, keys_of(state.items))
    assert.same({ "remove", 2, true }, { state.form.purpose, state.open, state.destroyed })
    tick(journal, state, "gone_account", true, "ada", "command")
    tick(journal, state, "gone_provider", true, "ada", "command")
    assert.same({ true, nil }, { state_now().complete, state_now().form })
  end)

  it("is over when the application goes before anybody was given its secret", function()
    made("0000c7e1", "handed_over", { stored_at = NOW, where = "journal" })
    states.record_application_gone(journal, states.without_application(journal, states.rows(journal)[1]))
    assert.same({}, states.rows(journal))
  end)

  it("can be told before there is an application: what can be prepared already", function()
    local state = states.read(journal, states.preview { tenant = "t", devolutions = { cloud = CLOUD } }, NOW)
    assert.same({ 10, "licence" }, { state.open, state.next })
    assert.is_nil(state.form)
    tick(journal, state, "licence", true, "ada", "command")
    assert.equal("done", item_of(state_now(), "licence").state)
    local ok, err = pcall(tick, journal, state, "account", true, "ada", "command")
    assert.same({ false, "the item is about one provider, and no application for a provider was made yet" },
      { ok, err.why })
  end)

  it("is JSON as it is, without the secret", function()
    made("0000c7e1", "proven")
    local told = json.encode(state_now())
    assert.is_nil(told:find("the-value-of", 1, true))
    assert.truthy(told:find('"next":"licence"', 1, true))
  end)
end)

describe("ticking an item", function()
  it("says who, when and how, on record, and can be taken back", function()
    tick(journal, state_now(), "vault", true, "ada", "page")
    local item = item_of(state_now(), "vault")
    assert.same({ "done", "ada", "page" }, { item.state, item.by, item.how })
    assert.same({ kind = "checklist", body = { item = "vault", of = CLOUD .. "/vault", state = "done", by = "ada",
      how = "page" } }, journal.audits[1])
    tick(journal, state_now(), "4", false, "bert", "command") -- by its number, too
    assert.same({ "open", "bert" }, { item_of(state_now(), "vault").state, item_of(state_now(), "vault").by })
    assert.equal(2, journal.commits)
  end)

  it("refuses an item that is not there", function()
    local ok, err = pcall(tick, journal, state_now(), "licens", true, "ada", "command")
    assert.is_false(ok)
    assert.equal("tick the item 'licens' of 'Devolutions PAM'", err.what)
    assert.truthy(err.fix:find("Did you mean 'licence'? The items are licence, identity,", 1, true))
  end)

  it("confirms the client secret when it is the provider, but not before it was given", function()
    local row = made("0000c7e1", "proven")
    local ok, err = pcall(tick, journal, state_now(), "provider", true, "ada", "command")
    assert.is_false(ok)
    assert.same({ "confirm " .. row.body.marker, "it is in the state 'proven'", "Hand it over first: moonlatch "
      .. "handover --show shows it in a terminal window, and moonlatch handover --secret-file PATH writes it to a new "
      .. "file." },
      { err.what, err.why, err.fix })
    give.record_given(journal, row, "terminal")
    tick(journal, state_now(), "provider", true, "ada", "command")
    assert.equal("confirmed", rows:get(journal, row.id).state)
  end)

  it("takes a confirmation back when it is the provider", function()
    local first = made("0000c7e1", "proven")
    give.record_given(journal, first, "terminal")
    tick(journal, state_now(), "provider", true, "ada", "command")
    local second = made("000090ab", "proven")
    give.record_given(journal, second, "page")
    tick(journal, state_now(), "provider", true, "ada", "page")
    assert.same({ "…90ab", "retiring" }, { state_now().secret.has.short, rows:get(journal, first.id).state })
    tick(journal, state_now(), "provider", false, "ada", "page")
    local state = state_now()
    assert.same({ "…c7e1", "…90ab", "given" }, { state.secret.has.short, state.secret.waiting.short,
      state.secret.state })
    assert.equal("confirmed", rows:get(journal, first.id).state)
  end)

  it("is a proof of the client secret that was in use then, and of no later one", function()
    local ok, err = pcall(tick, journal, state_now(), "proof", true, "ada", "command")
    assert.is_false(ok)
    assert.equal("nobody said that the client secret was pasted, so no reset can have shown that it works", err.why)
    local function proof()
      for _, item in ipairs(state_now().items) do
        if item.key == "proof" then return item.state, item.note end
      end
    end
    local first = made("0000c7e1", "proven")
    give.record_given(journal, first, "terminal")
    give.confirm(journal, first, "ada")
    tick(journal, state_now(), "proof", true, "ada", "command")
    assert.equal("done", (proof()))
    local second = made("000090ab", "proven")
    give.record_given(journal, second, "terminal")
    assert.equal("done", (proof()))
    give.confirm(journal, second, "ada")
    local state, note = proof()
    assert.equal("open", state)
    assert.matches("^last seen on %d+%-%d+%-%d+, with another client secret$", note)
  end)
end)

describe("what is next", function()
  local function next_now(now) return text.next_step(state_now(now), "moonlatch handover", now or NOW) end

  local function tick_before_provider()
    for _, item in ipairs(checklist.items("cloud", CLOUD)) do
      if item.key == "provider" then return end
      tick(journal, state_now(), item.key, true, "ada", "command")
    end
  end

  it("is apply, where there is no client secret to give yet", function()
    tick_before_provider()
    assert.matches("\n  moonlatch apply setup/entra%-pam%-provider +# makes and proves its client secret$", next_now())
    states.record(journal, body_of { name = "O2" })
    assert.matches("\n  moonlatch apply setup/entra%-pam%-provider %-%-name 'O2' ", next_now())
    journal:put("adopted", "a", "kept", { id = "obj-1" }, NOW)
    local adopted = "\n  moonlatch apply setup/entra-pam-provider --client-id " .. CLIENT
    assert.truthy(next_now():find(adopted, 1, true), next_now())
  end)

  it("is a renewal before all else, and one command ticks what must be there already", function()
    made("0000c7e1", "confirmed", { confirmed_at = NOW })
    assert.equal("licence", state_now().next)
    made("000090ab", "proven")
    assert.equal("provider", state_now().next)
    local all = "All of these are there already? moonlatch handover --done licence,identity,permissions,vault,"
      .. "vault_permission,services,pam_service,account"
    assert.truthy(next_now():find(all, 1, true), next_now())
  end)

  it("is a day for the calendar when nothing is left, and apply once it has come", function()
    made("0000c7e1", "confirmed", { confirmed_at = NOW })
    for _, item in ipairs(checklist.items("cloud", CLOUD)) do
      if item.key ~= "provider" then tick(journal, state_now(), item.key, true, "ada", "command") end
    end
    assert.matches("^Nothing required is left for a person%.\n  moonlatch apply setup/entra%-pam%-provider +# from "
      .. "%d+%-%d+%-%d+ on: makes the next client secret\n  moonlatch handover %-%-calendar FILE +# puts ", next_now())
    assert.matches("\n  moonlatch apply setup/entra%-pam%-provider +# it is time: makes the next client secret$",
      next_now(NOW + 151 * DAY))
  end)
end)

describe("giving the client secret", function()
  it("is on record before it is seen", function()
    local row = made("0000c7e1", "proven")
    local before
    local commits = journal.commits
    give.reveal = function(heading, value)
      before = { heading, #journal.audits, journal.audits[1].kind, journal.commits, rows:get(journal, row.id).state }
      assert.is_true(secret.equals(value, secret.from "the-value-of-0000c7e1"))
      return true
    end
    assert.is_true(give.show(journal, row, "Devolutions PAM"))
    assert.same({ "Client secret for the field 'Secret key' of 'Devolutions PAM'", 1, "reveal", commits + 1, "proven" },
      before)
    assert.same({ rotation = row.id, marker = row.body.marker, how = "terminal" }, journal.audits[1].body)
    assert.equal("handed_over", row.state)
  end)

  it("that was cut short while it was seen is to be given still, and says nothing of its use", function()
    local row = made("0000c7e1", "proven")
    give.reveal = function() error("killed", 0) end
    assert.is_false(pcall(give.show, journal, row, "Devolutions PAM"))
    assert.same({ "to give", "open", 1 }, { state_now().secret.state, item_of(state_now(), "provider").state,
      #journal.audits })
    assert.is_false((pcall(give.confirm, journal, row, "ada")))
    give.reveal = function() return true end
    give.show(journal, rows:get(journal, row.id), "Devolutions PAM")
    assert.same({ "given", 2 }, { state_now().secret.state, #journal.audits })
  end)

  it("follows what another process did meanwhile", function()
    local row = made("0000c7e1", "proven")
    local other = rows:get(journal, row.id)
    give.record_given(journal, other, "page")
    give.confirm(journal, other, "bert")
    give.record_given(journal, row, "terminal")
    give.confirm(journal, row, "ada")
    assert.same({ "confirmed", "bert" }, { rows:get(journal, row.id).state, row.body.confirmed_who })
  end)

  it("gives the ones before their date when it is confirmed", function()
    local first = made("0000c7e1", "confirmed", { confirmed_at = NOW })
    local row = made("00009f00", "handed_over", { where = "terminal" })
    give.confirm(journal, row, "ada")
    assert.equal("retiring", rows:get(journal, first.id).state)
  end)

  it("refuses what is not proven, and what is not held any more", function()
    local ok, err = pcall(give.take_value, journal, made("0000c7e1", "known"), "page")
    assert.same({ false, "it is not proven yet that it signs in",
      "Prove it: moonlatch apply setup/entra-pam-provider" }, { ok, err.why, err.fix })
    ok, err = pcall(give.take_value, journal, made("00009f00", "closed"), "page")
    assert.same({ false, "the journal does not hold its value any more",
      "Have a new one made: moonlatch apply setup/entra-pam-provider --renew" }, { ok, err.why, err.fix })
    assert.equal(0, #journal.audits)
  end)

  it("writes it to a new file for its owner only", function()
    local folder = assert(sys.temporary "handover")
    local _ <close> = setmetatable({}, { __close = function() sys.remove_tree(folder) end })
    local row, path = made("0000c7e1", "proven"), folder .. "/secret"
    give.write(journal, row, path)
    assert.is_true(secret.equals(sys.read_secret(path), secret.from "the-value-of-0000c7e1"))
    assert.same({ "handed_over", "file " .. path }, { row.state, row.body.where })
    assert.is_false((pcall(give.write, journal, row, path))) -- never over a file that is there
    assert.equal(1, #journal.audits)
  end)
end)
