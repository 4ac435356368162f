--- A hand-over made up for the specs of its page: the journal's side, without a journal.

local json = require "host.json"
local secret = require "host.secret"

local M = {}

--- What it gives.
M.SECRET = "kQ~8Q~Zp3vTe5Tw1th-d0ts.and_more~1234567"

local NOW = 1796068800 -- 30 November 2026

local DOCS = "https://docs.devolutions.net/"

local ITEMS = {
  { "licence", "the PAM module is licensed, and the licence is assigned to the administrator",
    "owner or administrator of Devolutions Cloud", "Administration > Licenses: enter the licence, assign it",
    "the menu Administration > Privileged Access is there", DOCS .. "cloud/getting-started" },
  { "identity", "an application identity for the PAM service; keep its Application key and Application secret",
    "administrator of Devolutions Cloud", "Administration > Application identities > Add Application Identity",
    "it is listed; key and secret are shown once" },
  { "permissions", "the identity may 'Manage privileged access tasks' and 'Manage privileged access providers'",
    "administrator of Devolutions Cloud", "Administration > Configuration & Security > System permissions > Edit",
    "it is listed under both", DOCS .. "pam/hub/pam-service" },
  { "services", "Devolutions Cloud Services runs on a Windows server, with its feature PAM",
    "administrator of a Windows server", "in Custom setup check PAM; Host: https://contoso.devolutions.app",
    "Test connection succeeded, and the service runs" },
  { "provider", "the provider has the client secret", "administrator of Devolutions Cloud",
    "Administration > Privileged Access > Providers > Add Provider (+)", "Test connection succeeds and it is listed" },
  { "people", "people have a role on the vault", "administrator of Devolutions Cloud", "the PAM vault > Permissions",
    "an approver and a requester are listed" },
  { "proof", "a managed account's password was reset", "administrator of Devolutions Cloud",
    "the entry > ellipsis menu > Reset password", "Reports > Privileged Access > Tasks shows it as Completed" },
}

local function items()
  local list = {}
  for i, one in ipairs(ITEMS) do
    list[i] = {
      key = one[1], number = i, what = one[2], who = one[3], where = one[4], known_by = one[5], link = one[6],
      required = one[1] ~= "people", state = i <= 2 and "done" or "open", by = i <= 2 and "ann" or nil,
      at = i <= 2 and NOW - 7200 * i or nil,
    }
  end
  return list
end

local function form(renew)
  return {
    purpose = renew and "renew" or "add", where = ITEMS[5][4] .. " > Entra ID user",
    title = "add the provider 'Devolutions PAM'",
    fields = {
      { field = "Name", value = "Devolutions PAM" }, { field = "Description", note = "as you like", optional = true },
      { field = "Tenant ID", value = "8f0d6a51-2f3e-4c0a-9f0e-6a1f2b3c4d5e" },
      { field = "Client ID", value = "1c0c7a9e-5b8f-4a38-8f27-2f5d9f0f6a77" },
      { field = "Secret key", secret = true, note = "the client secret …c7e1: its Value, not its Secret ID" },
      { field = "Test connection", note = "press it: it must succeed before you go on" },
    },
    button = "Add", link = "https://contoso.devolutions.app",
    proof = { "on the entry of a managed account: ellipsis menu > Reset password",
      "then Reports > Privileged Access > Tasks shows that reset as Completed" },
  }
end

---@class desk: handover.page_server.desk
---@field log string[] what was done, in order

--- One from its beginning.
---@return desk
function M.new()
  local self = { log = json.array {}, items = items(), stage = "to give" }
  local function note(...) self.log[#self.log + 1] = table.concat({ ... }, " ") end

  function self.state()
    local confirmed = self.stage == "in use"
    local state = {
      consumer = "cloud", address = "https://contoso.devolutions.app", name = "Devolutions PAM",
      tenant = "8f0d6a51-2f3e-4c0a-9f0e-6a1f2b3c4d5e", client_id = "1c0c7a9e-5b8f-4a38-8f27-2f5d9f0f6a77",
      items = self.items, open = 0, form = not confirmed and form() or nil,
      secret = { id = "r-1", short = "…c7e1", ends = NOW + 180 * 86400, state = self.stage },
    }
    state.secret[confirmed and "has" or "waiting"] = { short = "…c7e1", ends = NOW + 180 * 86400 }
    for _, item in ipairs(self.items) do
      if item.required and item.state == "open" then
        state.open, state.next = state.open + 1, state.next or item.key
      end
    end
    state.complete = state.open == 0
    return state
  end

  local function set(key, done)
    for _, item in ipairs(self.items) do
      if item.key == key then
        item.state, item.by, item.at = done and "done" or "open", done and "ann" or nil, done and NOW or nil
      end
    end
  end

  function self.tick(key, done)
    note("tick", key, tostring(done))
    if self.refuses then error(self.refuses, 0) end
    set(key, done)
  end

  function self.give()
    note "give"
    if self.refuses then error(self.refuses, 0) end
    return secret.from(M.SECRET)
  end

  function self.given()
    note "given"
    self.stage = "given"
  end

  function self.confirm(shown, tested)
    note("confirm", tostring(shown), tostring(tested))
    self.stage = "in use"
    set("provider", true)
  end

  function self.calendar() return "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n" end

  return self
end

return M
