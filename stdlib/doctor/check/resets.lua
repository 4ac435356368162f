--- Does PAM really change the passwords of the managed accounts: when was each reset last, and by whom? The date is in
--- the directory; who it was, in the audit log as far as it still tells.

local graph_clock = require "graph.clock"
local last_reset = require "evidence.last_reset"
local layout = require "terminal.layout"
local store = require "evidence.store"
local time = require "time"

local MOST = 5 -- accounts named in one finding

local function account_texts(list, text_of)
  local texts = {}
  for place, one in ipairs(list) do
    if place > MOST then
      texts[#texts + 1] = ("and %d more"):format(#list - MOST)
      break
    end
    texts[place] = ("%s (%s)"):format(one.account.upn, text_of(one))
  end
  return table.concat(texts, ", ")
end

local function account_ids(list)
  local ids = {}
  for place, one in ipairs(list) do ids[place] = one.account.id end
  return ids
end

---@class doctor.reset
---@field account entra.account
---@field reset evidence.reset

-- The last reset of each account.
local function read_resets(facts, accounts)
  local logs, journal = facts:want "logs" or {}, facts:want "journal"
  local own, list = facts:want "own_changes", {}
  for place, account in ipairs(accounts) do
    local changes = journal and store.changes(logs.journal, { target = account.id }) or {}
    list[place] = { account = account, reset = last_reset.of({
      id = account.id, changed = account.changed, synced = account.synced, own_at = own[account.id],
    }, changes, logs.actors or { providers = {} }) }
  end
  return list
end

local function report_overdue(findings, list, every, now)
  local overdue = {}
  for _, one in ipairs(list) do
    one.age = last_reset.overdue(one.reset, every, now)
    if one.age then overdue[#overdue + 1] = one end
  end
  if #overdue == 0 then return end
  table.sort(overdue, function(a, b) return a.age > b.age end)
  findings:warning {
    id = "overdue", subjects = account_ids(overdue),
    evidence = ("not reset for longer than %s: %s"):format(time.span(every), account_texts(overdue, function(one)
      return one.age < math.huge and time.span(one.age) or "never by the provider, as far as is known"
    end)),
    cause = "PAM does not change these passwords as often as the profile says (managed.every).",
    fix = "Look at the account's tasks in Devolutions: Reports > Privileged Access > Tasks. A reset by hand there "
      .. "shows whether it can: the entry > Reset password.",
  }
end

local function select_resets(list, test)
  local found = {}
  for _, one in ipairs(list) do
    if test(one) then found[#found + 1] = one end
  end
  return found
end

local function report_others(findings, list, now)
  local function text(one) return last_reset.text(one.reset, now) end
  local foreign = select_resets(list, function(one) return one.reset.by == "application" end)
  if #foreign > 0 then
    findings:warning {
      id = "other application", subjects = account_ids(foreign),
      evidence = "another rotator: reset last by another application: " .. account_texts(foreign, text),
      cause = "Two programs set the same password, so PAM has one that is not in force.",
      fix = "Let one of them manage these accounts: take them out of the other one.",
    }
  end
  local by_hand = select_resets(list, function(one)
    return (one.reset.by == "person" or one.reset.by == "holder") and one.reset.provider_at ~= nil
  end)
  if #by_hand > 0 then
    findings:warning {
      id = "by a person", subjects = account_ids(by_hand),
      evidence = "reset by a person since the provider reset them: " .. account_texts(by_hand, text),
      cause = "PAM has a password that is not in force.",
      fix = "Reset the password in Devolutions: the entry > Reset password.",
    }
  end
end

local WHO = {
  { "provider", "the provider" }, { "Moonlatch", "Moonlatch" }, { "application", "another application" },
  { "person", "a person" }, { "holder", "the account itself" }, { "sync", "the directory sync" },
  { "unknown", "whom the log does not tell" },
}

-- "12 accounts, the last resets between 2 hours ago and 5 days ago; 11 by the provider"
local function report_ages(findings, list, now)
  local newest, oldest, by = -math.huge, math.huge, {}
  for _, one in ipairs(list) do
    local at = one.reset.at
    if at then newest, oldest = math.max(newest, at), math.min(oldest, at) end
    by[one.reset.by] = (by[one.reset.by] or 0) + 1
  end
  if newest < oldest then return end -- nothing is known of any
  local text = newest == oldest and time.span(now - oldest) .. " ago"
    or ("between %s and %s ago"):format(time.span(now - newest), time.span(now - oldest))
  local who = {}
  for _, one in ipairs(WHO) do
    if by[one[1]] then who[#who + 1] = ("%d by %s"):format(by[one[1]], one[2]) end
  end
  findings:ok("%s, the last password change %s: %s", layout.count(#list, "account"), text, table.concat(who, ", "))
end

---@type doctor.check
return {
  name = "resets",
  run = function(findings, facts)
    if #facts:want("terms").managed == 0 then return end
    local accounts = facts:want "accounts"
    if #accounts == 0 then return end
    local list, now = read_resets(facts, accounts), graph_clock.now()
    local every = facts.profile.managed and facts.profile.managed.every
    if every then report_overdue(findings, list, every, now) end
    report_others(findings, list, now)
    report_ages(findings, list, now)
  end,
}
