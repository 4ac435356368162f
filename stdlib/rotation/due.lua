--- Decide what to do about an account's password, and why: from the policy, the account as Entra shows it, the
--- journal's row and the entries in the sink. Sends no request.

local change_date = require "rotation.change_date"
local crypto = require "host.crypto"
local hint = require "log.hint"
local markers = require "journal.marker"
local reach = require "entra.reach"
local sets = require "base.sets"
local time = require "time"

local M = {}

---@class rotation.verdict
---@field what "change"|"recover"|"wait"|"never"|"refuse"|"stop"|"busy"
---@field why string
---@field fix string? what to do about it
---@field code string? why the account is refused, in a word that a policy may accept
---@field due number? when it is due, or was; nil when no change of ours is known
---@field rests boolean? it is due, and waits until no earlier request can be carried out any more
---@field adopt { marker: string, since: number }? the sink's value is in force, although this journal did not set it
---@field reopens boolean? continue the closed rotation: send its value once more
---@field stores boolean? store the value in force in the sinks that do not have it

---@class rotation.setting what is the same for all accounts of a run
---@field terms policy.terms
---@field now number server time
---@field never table<string, boolean> user names in lower case
---@field operator string? object id of the principal that is signed in
---@field role_ids table<string, boolean> ids of the directory roles that this principal holds
---@field by_permission boolean may ordinary accounts be reset without a role?
---@field installations table<string, boolean> the id of this journal, and the ids it had before it was restored
---@field named table<string, boolean>? accounts a person named: by object id, and by user name in lower case
---@field outside_window boolean? a person said to ignore the window

local YOUNG = 600 -- seconds for which the rotation of another pending entry is taken to be at work

local function new_verdict(what, why, more)
  local made = { what = what, why = why }
  for name, value in pairs(more or {}) do made[name] = value end
  return made
end

--- Did a person name this account?
---@param setting rotation.setting
---@param account { id: string, upn: string }
---@return boolean
function M.is_named(setting, account)
  local named = setting.named
  return named ~= nil and (named[account.id] or named[account.upn:lower()]) == true
end

---------------------------------------------------------------------------
-- May the password be set?

local function why_password_elsewhere(account)
  if account.federated then return "its domain is federated: its password is kept elsewhere", "federated" end
  if account.disabled then return "it is disabled", "disabled" end
  if not account.changed then return "Entra does not say when its password was last changed", "date" end
end

local function why_roles_do_not_reach(setting, account)
  local is_plain = not reach.is_admin(account) and not account.restricted and not account.synced and not account.guest
  if setting.by_permission and is_plain then return nil end
  local reachable, why = reach.verdict(account, setting.role_ids)
  if reachable ~= "no" then return nil end
  if account.synced then return why, "synced" end
  if account.guest then return why, "guest" end
  if account.restricted then return why, "restricted" end
  return reach.is_admin(account) and "beyond the reach of the roles we hold: " .. why or why, "reach"
end

--- Why the account's password may not be set; nil when it may.
---@param setting rotation.setting
---@param account entra.user
---@return "never"|"refuse"|nil what, string? why, string? code
function M.why_not_changed(setting, account)
  if setting.never[account.upn:lower()] then return "never", "it is on the never-touch list" end
  if setting.operator == account.id then return "never", "it is the account that runs this" end
  if account.outside then return "refuse", "its policy does not select it any more", "outside" end
  local why, code = why_password_elsewhere(account)
  if not why then why, code = why_roles_do_not_reach(setting, account) end
  if why then return "refuse", why, code end
end

local function why_entry_unusable(account, slot)
  local current = slot.current
  if slot.several then return "there are several entries of this account where the password is to go" end
  if current and current.foreign then return current.foreign end
  if current and current.user and current.user ~= account.id then
    return ("the entry of this name was written for another account (object id %s)"):format(current.user)
  end
end

---------------------------------------------------------------------------
-- Is the stored value in force?

-- Find a pending entry of a rotation that the account's row does not know. Its value may be in force.
local function find_foreign_pending(slot, row)
  for _, one in ipairs(slot.pending) do
    local known = row and (one.marker == row.body.marker or (row.body.left or {})[one.marker or one.id])
    if not known then return one end
  end
end

--- The entries whose values may be in force, for people.
---@param slot sink.passwords.slot
---@return string
function M.entries_text(slot)
  local names = {}
  for _, entry in ipairs(slot.pending) do names[#names + 1] = ("'%s'"):format(entry.name) end
  if slot.current then names[#names + 1] = ("'%s'"):format(slot.current.name) end
  return #names > 0 and ("The value in force may be in %s. "):format(table.concat(names, ", ")) or ""
end

--- What to do about a pending entry of another rotation.
---@param setting rotation.setting
---@param slot sink.passwords.slot
---@param entry sink.passwords.entry
---@return rotation.verdict
function M.judge_foreign_pending(setting, slot, entry)
  local installation = markers.installation_of(entry.marker)
  local by = not installation and "by an unknown rotator"
    or setting.installations[installation] and "by this journal, before it was restored"
    or "by another installation of Moonlatch"
  local why = ("the sink has a pending password that may be in force, written %s (%s)")
    :format(by, entry.marker or "no marker")
  if entry.since and math.abs(setting.now - entry.since) < YOUNG and not setting.installations[installation] then
    return new_verdict("busy", why)
  end
  local fix = entry.marker and hint.text("If nobody is at work on it: {moonlatch} journal resume ACCOUNT --over %s; "
    .. "a new value is set, and that entry stays.", entry.marker)
  return new_verdict("stop", why, { fix = M.entries_text(slot) .. (fix or "Look at the pending entry, and delete it "
    .. "by hand.") })
end

local function is_dated_by_entry(slot, account)
  local current = slot.current
  return current ~= nil and current.marker ~= nil and current.since == account.changed
end

-- Has a person accepted the change that the directory shows?
local function is_change_accepted(row, account)
  local seen = row and row.body.forgiven
  return type(seen) == "number" and account.changed <= seen
end

local function who_changed_password(setting, row, account, slot)
  local marker = is_dated_by_entry(slot, account) and slot.current.marker
  if marker and setting.installations[markers.installation_of(marker)] then
    return nil, { marker = marker, since = account.changed } -- a restored journal is older than its change
  end
  local who = marker
    and ("another Moonlatch (installation %s) rotates this account"):format(markers.installation_of(marker))
    or ("somebody else changed the password on %s, after we did"):format(time.iso(account.changed))
  return who .. (is_change_accepted(row, account) and ", which a person has seen" or "")
end


local function fix_for_foreign_change(account, slot)
  return M.entries_text(slot) .. hint.text("When nobody else rotates it: {moonlatch} journal resume %s.", account.upn)
end

-- Judge an account that this journal has never changed.
local function judge_unknown_account(row, account, slot)
  local current = slot.current
  if not current or not current.marker then return new_verdict("change", "never changed from here") end
  if is_dated_by_entry(slot, account) then return nil, { marker = current.marker, since = account.changed } end
  local why = ("the sink's value was set on %s, and the password was changed since (%s)")
    :format(time.iso(current.since or 0), time.iso(account.changed))
  if is_change_accepted(row, account) then return new_verdict("change", why) end
  return new_verdict("stop", why, { fix = fix_for_foreign_change(account, slot) })
end

---------------------------------------------------------------------------
-- When an account is due

-- A share of the policy's jitter, different for each rotation, so that many accounts do not become due in the same
-- minute.
local function due_jitter(setting, account, marker)
  if setting.terms.jitter == 0 then return 0 end
  local rotation = markers.rotation_of(marker) or ""
  local word = string.unpack(">I4", crypto.digest("sha256", account.id .. rotation))
  return word / 2 ^ 32 * setting.terms.jitter
end

local function judge_account_by_date(setting, account, since, marker, adopt)
  local due = since + setting.terms.every - due_jitter(setting, account, marker)
  local changed = ("changed %s ago"):format(time.span(math.max(0, setting.now - since)))
  if adopt then changed = changed .. "; the sink's value is in force, and is adopted" end
  return new_verdict(due <= setting.now and "change" or "wait", changed, { due = due, adopt = adopt })
end

local function apply_reconcile(setting, stopped)
  if stopped.what ~= "stop" or not setting.terms.reconcile then return stopped end
  return new_verdict("change", stopped.why .. "; the policy reconciles")
end

-- The verdict for an account whose entry is gone: the consumer reads the password from the entry, so a person has to
-- bring the entry back. Nil when the entry is there.
local function judge_missing_entry(row, account, slot)
  if slot.current or is_change_accepted(row, account) or not row.body.changed_at then return nil end
  return new_verdict("stop", ("its entry does not lie in %s any more: it was moved or deleted"):format(row.body.where
    or "the folder of the policy"), { fix = hint.text("Move it back; or have a new password set and stored: "
      .. "{moonlatch} rotate %s --now %s", row.body.policy or "POLICY", account.upn), code = "entry_gone" })
end

-- How many of the account's sinks do not have the value in force: those of several, and a sink that the account got
-- since its last rotation.
local function count_sinks_without_value(row, slot, keys)
  local count, had = 0, sets.of(row.body.sinks or keys)
  for i, one in ipairs(slot.parts or { slot }) do
    local is_missing = not (one.current and one.current.marker == row.body.marker)
    local is_new = not one.current and not had[keys[i]]
    if is_missing and (slot.parts or is_new) then count = count + 1 end
  end
  return count
end

-- The verdict for an account whose value is not in all its sinks; nil when it is.
local function judge_sinks_without_value(row, account, slot, keys)
  local missing = count_sinks_without_value(row, slot, keys)
  if missing == 0 then return nil end
  local why = ("stored in %d of %d"):format(#keys - missing, #keys)
  if row.body.value then return new_verdict("recover", why, { stores = true }) end
  return new_verdict("stop", why .. ", and this journal does not have the value", {
    fix = hint.text("Have a new password set and stored: {moonlatch} rotate %s --now %s", row.body.policy or "POLICY",
      account.upn), code = "entry_gone" })
end

-- May our own request have been carried out a second time, so lately that the same value may be sent again?
local function may_be_own_request(setting, row, account, slot)
  local sent, current = row.body.sent, slot.current
  if not sent or row.state ~= "closed" or is_change_accepted(row, account) then return false end
  local is_late = setting.now - sent.first > change_date.REPEATABLE and setting.terms.on_unknown ~= "repeat"
  return not is_late and row.body.value and current and current.marker == row.body.marker
    and account.changed >= sent.from // 1 and account.changed <= sent.to
end

local function judge_known_account(setting, account, row, slot, keys)
  if account.changed > row.body.changed_at and may_be_own_request(setting, row, account, slot) then
    return new_verdict("recover", ("its password was changed on %s, when our own request may have been delivered again")
      :format(time.iso(account.changed)), { reopens = true })
  end
  if account.changed <= row.body.changed_at then -- reads lag, so only a later date counts
    return judge_sinks_without_value(row, account, slot, keys) or judge_missing_entry(row, account, slot)
      or judge_account_by_date(setting, account, row.body.changed_at, row.body.marker)
  end
  local why, adopt = who_changed_password(setting, row, account, slot)
  if adopt then return judge_account_by_date(setting, account, adopt.since, adopt.marker, adopt) end
  if is_change_accepted(row, account) then return new_verdict("change", why) end
  return new_verdict("stop", why, { fix = fix_for_foreign_change(account, slot) })
end

local ENDED = { closed = true, left = true }

local function judge_account_row(setting, account, row, slot, keys)
  local state = row and row.state
  if state == "orphaned" then
    return new_verdict("stop", row.body.why or "a person must look", {
      fix = M.entries_text(slot) .. hint.text("When you know which password is in force: {moonlatch} journal resume "
        .. "%s (a new one is set), or {moonlatch} journal close %s (it stays).", account.upn, account.upn) })
  end
  if state and not ENDED[state] then return new_verdict("recover", ("it was left in the state '%s'"):format(state)) end
  local foreign = find_foreign_pending(slot, row)
  if foreign then return M.judge_foreign_pending(setting, slot, foreign) end
  if row and row.body.changed_at then
    return apply_reconcile(setting, judge_known_account(setting, account, row, slot, keys))
  end
  local verdict, adopt = judge_unknown_account(row, account, slot)
  if adopt then return judge_account_by_date(setting, account, adopt.since, adopt.marker, adopt) end
  return apply_reconcile(setting, verdict)
end

-- The verdict for an account that a person named: the account is due, and an entry that is gone is written again.
local function verdict_for_named_account(judged)
  if judged.what == "wait" or judged.code == "entry_gone" then
    return new_verdict("change", judged.why .. "; you asked for it now", { adopt = judged.adopt })
  end
  return judged
end

-- Put the rotation off until no request of the rotation before can be carried out any more. For an account that a
-- person named, the run waits until then.
local function delay_account_until_rested(setting, account, slot, verdict)
  local from = change_date.rested_from(account.changed, slot.current and slot.current.since)
  if setting.now >= from then return verdict end
  local why = ("changed %s ago; it waits until no earlier request can be carried out any more")
    :format(time.span(math.max(0, setting.now - account.changed)))
  return new_verdict(M.is_named(setting, account) and "change" or "wait", why,
    { due = from, rests = true, adopt = verdict.adopt })
end

-- Refusals for which even an orphaned rotation is ended without a person: the account is not rotated any more.
local GONE = { outside = true, disabled = true, synced = true, guest = true, federated = true }

--- Decide what to do about an account.
---@param setting rotation.setting
---@param account entra.user
---@param row rotation.account_row?
---@param slot sink.password_sinks.slot
---@param keys string[] of the account's sinks
---@return rotation.verdict
function M.judge_account(setting, account, row, slot, keys)
  local refused, why, code = M.why_not_changed(setting, account)
  if refused == "never" and not (row and not ENDED[row.state]) then return new_verdict("never", why) end
  if code == "date" then return new_verdict("refuse", why, { code = code }) end
  local verdict = judge_account_row(setting, account, row, slot, keys)
  if verdict.what == "recover" then return verdict end -- an open rotation is ended, as far as that is allowed today
  if M.is_named(setting, account) then verdict = verdict_for_named_account(verdict) end
  if verdict.what == "wait" or verdict.what == "busy" then return verdict end
  if row and row.state == "orphaned" then
    return GONE[code] and new_verdict("recover", verdict.why .. "; " .. why) or verdict
  end
  if refused then return new_verdict(refused, why, { code = code }) end
  if verdict.what ~= "change" then return verdict end
  local wrong = why_entry_unusable(account, slot)
  if wrong then return new_verdict("refuse", wrong, { code = "entry" }) end
  return delay_account_until_rested(setting, account, slot, verdict)
end

return M
