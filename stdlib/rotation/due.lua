--- What is to be done about an account, and why: from the policy, the account as
--- Entra shows it, the journal's row and what lies in the sink. Asks nobody.

local crypto = require "host.crypto"
local markers = require "rotation.marker"
local reach = require "entra.reach"
local time = require "time"

local M = {}

---@class rotation.verdict
---@field what "change"|"recover"|"wait"|"never"|"refuse"|"stop"
---@field why string
---@field due number? when it is, or was; nil when there is no change of ours to count from
---@field adopt { marker: string, since: number }? the sink's value is in force, though this journal did not set it

---@class rotation.setting what is the same for all accounts of a run
---@field terms policy.terms
---@field now number server time
---@field never table<string, boolean> user names in lower case
---@field operator string? object id of who is signed in
---@field held table<string, boolean> ids of the directory roles we hold
---@field by_permission boolean may ordinary accounts be reset without a role?
---@field installation string

local function verdict(what, why, more)
  local made = { what = what, why = why }
  for name, value in pairs(more or {}) do made[name] = value end
  return made
end

---------------------------------------------------------------------------
-- May it be touched?

--- Why this account's password is not ours to set, if it is not.
---@param setting rotation.setting
---@param account entra.user
---@return "never"|"refuse"|nil what, string? why
function M.why_not(setting, account)
  if setting.never[account.upn:lower()] then return "never", "it is on the never-touch list" end
  if account.outside then return "refuse", "its policy does not select it any more" end
  if setting.operator == account.id then return "never", "it is the account that runs this" end
  if account.federated then return "refuse", "its domain is federated: its password is kept elsewhere" end
  if account.disabled then return "refuse", "it is disabled" end
  if setting.by_permission and not reach.is_admin(account) and not account.restricted and not account.synced
    and not account.guest then return nil end
  local reachable, why = reach.verdict(account, setting.held)
  if reachable == "no" then
    return "refuse", reach.is_admin(account) and "beyond the reach of the roles we hold: " .. why or why
  end
end

local function why_not_stored(slot)
  if slot.several then return "there are several entries of this name where the password is to go" end
  if slot.current and not slot.current.ours then
    return "there is an entry of this name without the tag moonlatch-password: tag it to have its password replaced"
  end
end

---------------------------------------------------------------------------
-- Is what is stored in force?

-- A rotation this journal does not know left a value there, which may be in force.
local function strange_pending(slot, row)
  if row and row.body.forgiven then return nil end -- a person has seen them
  for _, one in ipairs(slot.pending) do
    local known = row and (one.marker == row.body.marker or (row.body.left or {})[one.marker or one.id])
    if not known then return one end
  end
end

local function says_when(slot, account)
  local current = slot.current
  return current ~= nil and current.marker ~= nil and current.since == account.changed
end

-- Has somebody else changed it since we did? Reads lag, so only what is later counts.
local function is_changed_since(row, account)
  return account.changed and account.changed > row.body.changed_at
end

local function other(setting, row, account, slot)
  local marker = says_when(slot, account) and slot.current.marker
  if marker and markers.installation_of(marker) == setting.installation then
    return nil, { marker = marker, since = account.changed } -- a journal older than what it did
  end
  local who = marker
    and ("another Moonlatch (installation %s) rotates this account"):format(markers.installation_of(marker))
    or ("somebody else changed the password on %s, after we did"):format(time.iso(account.changed))
  return who .. (row and row.body.forgiven and ", which a person has seen" or "")
end

local function never_changed() return verdict("change", "never changed from here") end

-- Of an account this journal has no row for.
local function judge_unknown(account, slot)
  local current = slot.current
  if not current or not current.marker then return never_changed() end
  if says_when(slot, account) then return nil, { marker = current.marker, since = account.changed } end
  return verdict("stop", ("what lies in the sink was set on %s, and the password was changed since (%s)")
    :format(time.iso(current.since or 0), account.changed and time.iso(account.changed) or "unknown when"))
end

---------------------------------------------------------------------------
-- When

-- So that many accounts do not fall due in the same minute; another part for each rotation.
local function jitter_of(setting, account, marker)
  if setting.terms.jitter == 0 then return 0 end
  local rotation = markers.rotation_of(marker) or ""
  local word = string.unpack(">I4", crypto.digest("sha256", account.id .. rotation))
  return word / 2 ^ 32 * setting.terms.jitter
end

local function by_date(setting, account, since, marker, adopt)
  local due = since + setting.terms.every - jitter_of(setting, account, marker)
  local changed = ("changed %s ago"):format(time.span(math.max(0, setting.now - since)))
  if adopt then changed = changed .. "; the sink's value is in force, and is adopted" end
  return verdict(due <= setting.now and "change" or "wait", changed, { due = due, adopt = adopt })
end

local function reconciled(setting, stopped)
  if stopped.what ~= "stop" or not setting.terms.reconcile then return stopped end
  return verdict("change", stopped.why .. "; the policy reconciles")
end

local function judge_closed(setting, account, row, slot)
  if not row.body.changed_at then return never_changed() end
  if not is_changed_since(row, account) then
    return by_date(setting, account, row.body.changed_at, row.body.marker)
  end
  local why, adopt = other(setting, row, account, slot)
  if adopt then return by_date(setting, account, adopt.since, adopt.marker, adopt) end
  if row.body.forgiven then return verdict("change", why) end
  return verdict("stop", why)
end

local function judge_row(setting, account, row, slot)
  local state = row and row.state
  if state == "orphaned" then return verdict("stop", row.body.why or "a person must look") end
  if state and state ~= "closed" then return verdict("recover", ("it was left in the state '%s'"):format(state)) end
  local strange = strange_pending(slot, row)
  if strange then
    return verdict("stop", ("a pending password of a rotation this journal does not know (%s) lies in the sink, and "
      .. "may be in force"):format(strange.marker or "unmarked"))
  end
  if row then return reconciled(setting, judge_closed(setting, account, row, slot)) end
  local judged, adopt = judge_unknown(account, slot)
  if adopt then return by_date(setting, account, adopt.since, adopt.marker, adopt) end
  return reconciled(setting, judged)
end

--- What is to be done about this account.
---@param setting rotation.setting
---@param account entra.user
---@param row rotation.account_row?
---@param slot sink.passwords.slot
---@return rotation.verdict
function M.judge(setting, account, row, slot)
  local judged = judge_row(setting, account, row, slot)
  if judged.what == "recover" then return judged end -- what was begun is ended, within what today allows
  local what, why = M.why_not(setting, account)
  if what then return verdict(what, why) end
  local wrong = judged.what == "change" and why_not_stored(slot)
  return wrong and verdict("refuse", wrong) or judged
end

return M
