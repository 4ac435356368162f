-- takes 10 s: runs the setup and the doctor a dozen times
--- What the doctor says by Entra's logs: who signs in with the client secret, with which one, and who reset passwords.

local job = require "setup_job"
local json = require "host.json"
local rehearsal = require "rehearsal"
local sys = require "host.sys"

local MANAGED = "PAM managed service accounts"
local PAM = "203.0.113.88"

local emu, files

local function apply(...)
  files = files + 1
  local path = ("%s/secret-%d"):format(emu.place.path, files)
  job.apply(emu, "--managed", MANAGED, "--lifetime", "180d", "--secret-file", path, ...)
  return (sys.read(path, 1000):gsub("%s+$", ""))
end

local function rows()
  local list = {}
  for _, row in ipairs(select(2, emu:json { "journal", "list" })) do
    if row.kind == "client secret" then list[#list + 1] = row end
  end
  return list
end

local function key_id(row) return json.decode(emu:run({ "journal", "show", row.id }).out).body.key_id end
local function client_id() return emu:graph("/applications?$filter=displayName%20eq%20'Devolutions%20PAM'")[1].appId end

local function program(name, secret, every)
  emu:control("POST", "/programs", { ["do"] = "add_program", with = {
    { name = name, client_id = client_id(), client_secret = secret, every = every, address = PAM } } })
end

local function remove_program(name) emu:control("POST", "/programs", { ["do"] = "remove_program", with = { name } }) end

-- Five requests leave in ten seconds, and the doctor does not wait for more: it goes on where it stopped.
local function has_read_sign_ins(document)
  for _, one in ipairs(document.findings) do
    if one.cause == "there was no time to read it" and one.evidence:find "who signs in" then return false end
  end
  return true
end

-- The findings of a check, as "verdict: evidence", and the report; once the sign-in log was read to its end.
local function doctor(check, ...)
  local status, document
  repeat status, document = emu:json { "doctor", ... } until has_read_sign_ins(document)
  local found = {}
  for _, one in ipairs(document.findings) do
    if one.check == check then found[#found + 1] = one.verdict .. ": " .. one.evidence end
  end
  return table.concat(found, "\n"), document, status
end

local function assert_says(text, ...)
  for _, part in ipairs { ... } do assert.truthy(text:find(part, 1, true), text) end
end

describe("the doctor, by Entra's logs,", function()
  before_each(function()
    emu, files = rehearsal.new("--lag", "0", "--devolutions", "cloud"), 0
    emu:admin("set_flag", "report_quota", false)
  end)
  after_each(function() local _ <close> = emu end)

  it("tells with which client secret the consumer signs in, and from where", function()
    local first = apply()
    emu:later "1h"
    assert_says(doctor "evidence", "left out: whether …", "the log shows no sign-in with it by anybody else")
    program("pam", first, "6h")
    emu:later "3d"
    assert_says(doctor "evidence", "ok: …", " is in use, though nobody confirmed it: signed in with from " .. PAM)
    assert_says(doctor "hand-over", "warning: nobody said that the client secret …",
      " is in use; Entra's log shows that it is")
    job.must(emu:run { "journal", "confirm", rows()[1].id }, 0)
    assert_says(doctor "evidence", "ok: Devolutions Cloud signs in with …", "from " .. PAM)

    local old = rows()[1]
    apply "--renew"
    emu:later "1h"
    job.must(emu:run { "journal", "confirm", rows()[2].id }, 0)
    emu:later "8d"
    local said, document = doctor "evidence"
    assert_says(said, "warning: …" .. key_id(old):sub(-4) .. " was replaced, and was used from " .. PAM)
    assert.equal("warnings", document.verdict)
    local refused = emu:run { "journal", "retire", key_id(old), "--yes" }
    assert.equal(1, refused.status)
    assert_says(refused.err, "why: it was used from " .. PAM, "--in-use")

    job.must(emu:run { "journal", "retire", key_id(old), "--in-use", "--yes" }, 0)
    emu:later "1d"
    local broken, report, status = doctor "evidence"
    assert_says(broken, "broken: a client secret that Entra does not accept", " is tried from " .. PAM,
      "nothing from there succeeded since 20")
    assert.same({ "broken", 1 }, { report.verdict, status })
    remove_program "pam"
  end)

  it("names who removed the client secret and who disabled the service principal, as verify does", function()
    apply()
    local before = rows()[1]
    job.must(emu:run { "journal", "confirm", before.id }, 0)
    emu:later "1h"
    emu:admin("remove_secret", key_id(before))
    emu:admin("disable", client_id())
    emu:later "1h"
    local function cause(check)
      for _, one in ipairs(select(2, doctor(check)).findings) do
        if one.check == check and one.verdict == "broken" then return one.cause end
      end
      return ""
    end
    local said
    repeat said = cause "service principal" until said:find "did it"
    assert.matches("no secret of it is accepted. adele@contoso.onmicrosoft.com did it", said, 1, true)
    emu:admin("enable", client_id())
    emu:later "1h"
    assert.matches("Somebody removed it from the application. adele@contoso.onmicrosoft.com did it",
      cause "client secret", 1, true)
    local verified = emu:run(job.words("verify", "--managed", MANAGED))
    assert.matches("'ml:[^']+' was removed: adele@contoso.onmicrosoft.com did it", verified.out)
    assert.matches("the last change of the application that the audit log knows: adele@contoso.onmicrosoft.com did it",
      verified.out, 1, true)
  end)

  it("leaves out what the tenant has no licence for, and stays what it was", function()
    apply()
    emu:later "1h"
    local _, without, status = doctor("evidence", "--no-evidence")
    emu:admin("set_flag", "p1", false)
    local said, document, again = doctor "evidence"
    assert_says(said, "left out: not looked at: who signs in with the client secret")
    assert.same({ without.verdict, status }, { document.verdict, again })
    local causes = json.encode(document.findings)
    assert_says(causes, "the tenant has no licence Entra ID P1 or P2")
    emu:admin("set_flag", "premium", false)
    local TELLS_NOT = "without Entra ID P1 or P2 Entra does not tell who signs in with the client secret: a person "
      .. "says when it is in use (moonlatch handover --confirm)"
    local words = job.words("plan", "--managed", MANAGED)
    local planned = emu:run(words)
    assert_says(planned.out .. planned.err, "licence: neither Entra ID P1 nor P2", TELLS_NOT)
    table.insert(words, "--no-evidence")
    assert.is_nil(emu:run(words).out:find(TELLS_NOT, 1, true))
    emu:fault "graph GET /subscribedSkus 403"
    assert_says(emu:run(job.words("plan", "--managed", MANAGED)).out,
      "whether Entra will tell who signs in with the client secret is unknown")
  end)

  it("tells when passwords were reset, by whom, and which ones are overdue", function()
    apply()
    emu:configure(function(text)
      return (text:gsub("sign_in = ", 'managed = { every = "30d" }, sign_in = ', 1))
    end)
    emu:later "1h"
    local said, document, status = doctor("resets", "--no-evidence")
    assert_says(said, "warning: not reset for longer than 30 days: uma@contoso.onmicrosoft.com (",
      "ok: 2 accounts, the last password change ", "2 by whom the log does not tell")
    assert.same({ "warnings", 3 }, { document.verdict, status })
    for _, name in ipairs { "uma", "t0-chen" } do emu:admin("change_password", name) end
    emu:later "1h"
    repeat said = doctor "resets" until not said:find "does not tell"
    assert_says(said, "never by the provider, as far as is known", "2 by a person")
  end)
end)
