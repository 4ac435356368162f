--- The texts that `moonlatch new policy` writes: a policy that can be rehearsed as it is, and its test.

local M = {}

local USERS = [[
--- %s: a new password each month. All members of a policy: `moonlatch scripts show policies/tier0-users`.

local policy = require "policy"
local users = policy.users

return policy {
  summary = "Passwords, monthly",

  -- Which accounts: by group, name or directory role, added and taken away.
  select = users { group = "PAM managed tier 0" }, -- - users { upn = "anna@contoso.onmicrosoft.com" }
  never = { "breakglass@contoso.onmicrosoft.com" }, -- even when `select` includes it

  -- When: spread over three days, so that the accounts do not become due all at once.
  every = "30d", jitter = "3d",
  -- window = "Mon-Fri 02:00-04:00 America/Toronto",
  -- except = "2026-12-15..2027-01-05", -- days on which nothing begins

  -- How carefully: one account first; after a failure no other is begun.
  limits = { max_changes = 50, canary = 1, stop_on_failure = true },
  -- A run fails (exit 1) when an account has to be refused, for example a guest. Say which refusals you expect, or
  -- leave such accounts out: select = users { … } - policy.guests() - policy.synced() - policy.disabled().
  -- accept = { "guest", "synced" },
  -- When the outcome of a change is unknown for an hour, a person is asked; or the same value is sent again:
  -- on_unknown = "repeat",

  password = { length = 32 },
  sink = policy.devolutions.server { vault = "Privileged", path = "Entra\\%s" },
  after = { revoke_sessions = true },
}
]]

local USERS_TEST = [[
--- Tries policies/%s for a year on an emulator: moonlatch rehearse policies/%s
-- The emulator has a few people and groups (t0-anna … t0-emil in "PAM managed tier 0");
-- groups, people and vaults that the policy names besides are added to it.

local rehearse = require "rehearse"

return rehearse {
  summary = "a year with lost answers, an outage and a colleague",
  policy = "policies/%s",
  over = "365d",

  -- What happens meanwhile. A fault's rule: [graph|devolutions|login] METHOD PATH KIND [COUNT] [@NTH].
  events = {
    { at = "20d", what = "the answers to two changes are lost", fault = "graph PATCH /users/* drop-after 2" },
    { at = "80d", what = "Graph throttles", fault = "graph GET /users/** 429:30 5" },
    { at = "110d", what = "Devolutions Server is away", fault = "devolutions * /** 503 6" },
    {
      at = "200d", what = "a colleague sets a password by hand",
      act = function(tenant) tenant.change_password "t0-chen" end,
    },
    { at = "203d", what = "somebody looked", resume = "t0-chen@contoso.onmicrosoft.com" },
  },

  -- Your own conditions. Always checked: no value is lost, no account is late, no limit is exceeded.
  expect = {
    {
      what = "everybody is changed twelve times at least",
      holds = function(outcome)
        for _, account in ipairs(outcome.accounts) do
          if #account.changes < 12 then return false, account.name .. ": " .. #account.changes end
        end
        return true
      end,
    },
  },
}
]]

local APPLICATIONS = [[
--- %s: new client secrets each quarter. All members of a policy: `moonlatch scripts show policies/app-client-secrets`.

local policy = require "policy"

return policy {
  summary = "Client secrets, quarterly",

%s

  -- A new secret when the last is three months old; each lives for six. The secret before stays valid for a week.
  every = "90d", lifetime = "180d", grace = "7d",
  limits = { max_changes = 10, canary = 1, stop_on_failure = true },

  -- Where the secret is stored: Devolutions Server, or policy.handover {}, policy.sink("sinks/vault", { … }), …
  sink = policy.devolutions.server { path = "Entra\\%s" },
}
]]

local OWNED = [[
  -- Which applications: those that the signed-in principal owns; or by client id.
  select = policy.applications { owned = true },]]

local ONE = [[
  -- The application %s.
  select = policy.applications { client_id = %q },]]

local APPLICATIONS_TEST = [[
--- Tries policies/%s for a year on an emulator: moonlatch rehearse policies/%s
-- In the emulator, Devolutions Server reads the stored entry, so a stored secret counts as in use.

local rehearse = require "rehearse"

return rehearse {
  summary = "a year with lost answers and an outage",
  policy = "policies/%s",
  over = "365d",

  events = {
    {
      at = "80d", what = "the answer with a new secret is lost",
      fault = "graph POST /applications/*/addPassword drop-after",
    },
    { at = "170d", what = "Devolutions Server is away", fault = "devolutions * /** 503 6" },
  },

  expect = {
    {
      what = "each application has four new ones at least",
      holds = function(outcome)
        for _, account in ipairs(outcome.accounts) do
          if #account.changes < 4 then return false, account.name .. ": " .. #account.changes end
        end
        return true
      end,
    },
  },
}
]]

local function capitalised_policy_name(name) return (name:gsub("^%l", string.upper)) end

-- Characters that end a line or change how it reads: controls, directions, spaces without width.
local ACTIVE = { { 0, 31 }, { 127, 159 }, { 0x200B, 0x200F }, { 0x2028, 0x202E }, { 0x2060, 0x206F },
  { 0xFEFF, 0xFEFF } }

-- A name as it stands in a comment: it can neither end the comment nor change how the line reads.
local function name_in_comment(name)
  local plain = name:gsub(utf8.charpattern, function(character)
    local code = utf8.codepoint(character)
    for _, range in ipairs(ACTIVE) do
      if code >= range[1] and code <= range[2] then return " " end
    end
  end)
  return ("'%s'"):format(plain)
end

---@class rehearse.template
---@field policy fun(name: string, application: { appId: string, displayName: string }?): string
---@field test fun(name: string): string

---@type rehearse.template
M.users = {
  policy = function(name) return USERS:format(capitalised_policy_name(name), capitalised_policy_name(name)) end,
  test = function(name) return USERS_TEST:format(name, name, name) end,
}

---@type rehearse.template
M.applications = {
  policy = function(name, application)
    local select = application and ONE:format(name_in_comment(application.displayName), application.appId) or OWNED
    return APPLICATIONS:format(capitalised_policy_name(name), select, capitalised_policy_name(name))
  end,
  test = function(name) return APPLICATIONS_TEST:format(name, name, name) end,
}

return M
