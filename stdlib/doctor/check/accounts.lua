--- The managed accounts: can the application reset each of them, and does a reset have an effect?

local fail = require "fail"
local hint = require "log.hint"
local layout = require "terminal.layout"
local reach = require "entra.reach"
local users = require "entra.users"

local MOST = 5 -- accounts named in one finding

local function managed_account_names(accounts)
  local list = {}
  for place, account in ipairs(accounts) do
    if place > MOST then
      list[#list + 1] = ("and %d more"):format(#accounts - MOST)
      break
    end
    list[place] = account.upn
  end
  return table.concat(list, ", ")
end

-- The domains whose users sign in at another identity provider; nil and the failure where they cannot be read.
local function federated_domains()
  local ok, domains = pcall(users.federated_domains)
  if ok then return domains end
  if fail.is(domains) and not fail.is(domains, "interrupted") then return nil, domains end
  error(domains, 0)
end

local function account_ids(accounts)
  local ids = {}
  for place, account in ipairs(accounts) do ids[place] = account.id end
  return ids
end

---@class doctor.kind_of_account
---@field id string
---@field verdict "broken"|"warning"
---@field is fun(account: entra.account, federated: table<string, boolean>): boolean
---@field evidence string
---@field cause string
---@field fix string

---@type doctor.kind_of_account[]
local KINDS = {
  { id = "synced", verdict = "broken", is = function(account) return account.synced end,
    evidence = "synced from on-premises: %s",
    cause = "Their passwords are kept on-premises; Entra does not change them.",
    fix = "Manage them with a provider for Active Directory, or replace them by cloud-only accounts." },
  { id = "guest", verdict = "broken", is = function(account) return account.guest end, evidence = "guests: %s",
    cause = "Their passwords are kept in another organisation.", fix = "Remove them from the managed accounts." },
  { id = "restricted", verdict = "broken", is = function(account) return account.restricted end,
    evidence = "in a restricted management administrative unit: %s",
    cause = "Only roles that are scoped to that unit reach them.",
    fix = "Assign the application a role on that unit, or take them out of it." },
  { id = "federated", verdict = "broken",
    is = function(account, federated) return users.is_federated(account.upn, federated) end,
    evidence = "in a federated domain: %s",
    cause = "Another identity provider signs them in, so a password in Entra has no effect.",
    fix = "Give them names in a managed domain, or remove them from the managed accounts." },
  { id = "disabled", verdict = "warning", is = function(account) return not account.enabled end,
    evidence = "disabled: %s",
    cause = "Nobody can sign in with them.", fix = "Enable them, or remove them from the managed accounts." },
}

local function managed_accounts_of_kind(accounts, kind, federated)
  local found = {}
  for _, account in ipairs(accounts) do
    if kind.is(account, federated) then found[#found + 1] = account end
  end
  return found
end

local function report_unknown_reach(findings, accounts)
  local roles = reach.roles_for(accounts)
  local doubtful = managed_accounts_of_kind(accounts, {
    is = function(account) return reach.judge(account, roles) == "unknown" end,
  })
  if #doubtful == 0 then return end
  findings:unknown { id = "reach unknown", subjects = account_ids(doubtful),
    evidence = "whether these can be reset: " .. managed_account_names(doubtful),
    cause = "Microsoft's pages contradict each other on roles they hold.", fix = "Reset one of them to find out." }
end

---@type doctor.check
return {
  name = "managed accounts",
  run = function(findings, facts)
    if #facts:want("terms").managed == 0 then
      return findings:unknown {
        id = "not named",
        evidence = "not checked: neither --managed nor the setup's record says which accounts these are",
        fix = hint.text "Name their group: {moonlatch} doctor --managed GROUP" }
    end
    local accounts, has_reported = facts:want "accounts", false
    local federated, unread = federated_domains()
    for _, kind in ipairs(KINDS) do
      local found = managed_accounts_of_kind(accounts, kind, federated or {})
      if #found > 0 then
        has_reported = true
        findings[kind.verdict](findings, {
          id = kind.id, subjects = account_ids(found),
          evidence = kind.evidence:format(managed_account_names(found)), cause = kind.cause, fix = kind.fix,
        })
      end
    end
    report_unknown_reach(findings, accounts)
    for place, why in ipairs(accounts.unread or {}) do
      findings:unknown {
        id = "roles unread " .. place,
        evidence = "not checked: whether the accounts can get more roles than are listed",
        cause = "This could not be read: " .. why,
        fix = "Let the doctor sign in with the permission PrivilegedEligibilitySchedule.Read.AzureADGroup." }
    end
    if unread then
      findings:unknown { id = "federation unread",
        evidence = "not checked: whether accounts are in a federated domain", cause = unread.why,
        fix = unread.fix }
    end
    if not has_reported then
      findings:ok("%s, none synced, guest%s or disabled", layout.count(#accounts, "account"),
        federated and ", federated" or "")
    end
  end,
}
