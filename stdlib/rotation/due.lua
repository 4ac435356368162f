--- What to do about an account, and why: from the policy, the account as Entra shows it, the journal's row and the
--- entries in the sink. Asks nobody.

local change_date = require "rotation.change_date"
local crypto = require "host.crypto"
local markers = require "journal.marker"
local reach = require "entra.reach"
local time = require "time"

local M = {}

---@class rotation.verdict
---@field what "change"|"recover"|"wait"|"never"|"refuse"|"stop"|"busy"
---@field why string
---@field fix string? what to do about it
---@field code string? why the account is refused, in a word that a policy may accept
---@field due number? when it is due, or was; nil when no change of ours is known
---@field rests boolean? it is due, and waits until no earlier request can be carried out any more
---@field adopt { marker: string, since: number }? the sink's value is in force, though this journal did not set it
---@field reopens boolean? go on with the rotation before: send the same value once more

---@class rotation.setting what is the same for all accounts of a run
---@field terms policy.terms
---@field now number server time
---@field never table<string, boolean> user names in lower case
---@field operator string? object id of who is signed in
---@field held table<string, boolean> ids of the directory roles that whoever is signed in holds
---@field by_permission boolean may ordinary accounts be reset without a role?
---@field installations table<string, boolean> the id of this journal, and the ids it had before it was restored
---@field named table<string, boolean>? accounts a person named: by object id, and by user name in lower case
---@field outside_window boolean? a person said to ignore the window

local HOUR = 3600 -- seconds after its first request when a value is not sent again without a person
local YOUNG = 600 -- seconds for which another rotation's pending entry is taken for one that is at work

local function verdict(what, why, more)
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
-- May it be touched?

local function elsewhere(account)
  if account.federated then return "its domain is federated: its password is kept elsewhere", "federated" end
  if account.disabled then return "it is disabled", "disabled" end
  if not account.changed then return "Entra does not say when its password was last changed", "date" end
end

local function unreachable(setting, account)
  local is_plain = not reach.is_admin(account) and not account.restricted and not account.synced and not account.guest
  if setting.by_permission and is_plain then return nil end
  local reachable, why = reach.verdict(account, setting.held)
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
function M.why_not(setting, account)
  if setting.never[account.upn:lower()] then return "never", "it is on the never-touch list" end
  if setting.operator == account.id then return "never", "it is the account that runs this" end
  if account.outside then return "refuse", "its policy does not select it any more", "outside" end
  local why, code = elsewhere(account)
  if not why then why, code = unreachable(setting, account) end
  if why then return "refuse", why, code end
end

local function why_not_stored(account, slot)
  local current = slot.current
  if slot.several then return "there are several entries of this account where the password is to go" end
  if current and not current.ours then
    return "there is an entry of this name without the tag moonlatch-password: tag it to have its password replaced"
  end
  if current and current.user and current.user ~= account.id then
    return ("the entry of this name was written for another account (object id %s)"):format(current.user)
  end
end

---------------------------------------------------------------------------
-- Is what is stored in force?

-- Pending values of rotations other than the account's own. They may be in force.
local function strange_pending(slot, row)
  for _, one in ipairs(slot.pending) do
    local known = row and (one.marker == row.body.marker or (row.body.left or {})[one.marker or one.id])
    if not known then return one end
  end
end

--- The entries whose values may be in force, for people.
---@param slot sink.passwords.slot
---@return string
function M.entries_of(slot)
  local names = {}
  for _, entry in ipairs(slot.pending) do names[#names + 1] = ("'%s'"):format(entry.name) end
  if slot.current then names[#names + 1] = ("'%s'"):format(slot.current.name) end
  return #names > 0 and ("What may be in force lies in %s. "):format(table.concat(names, ", ")) or ""
end

--- What to do about a pending entry of another rotation.
---@param setting rotation.setting
---@param slot sink.passwords.slot
---@param entry sink.passwords.entry
---@return rotation.verdict
function M.judge_strange(setting, slot, entry)
  local installation = markers.installation_of(entry.marker)
  local by = not installation and "by nobody we know"
    or setting.installations[installation] and "by this journal, before it was restored"
    or "by another installation of Moonlatch"
  local why = ("a pending password that may be in force lies in the sink, written %s (%s)")
    :format(by, entry.marker or "no marker")
  if entry.since and math.abs(setting.now - entry.since) < YOUNG and not setting.installations[installation] then
    return verdict("busy", why)
  end
  local fix = entry.marker and ("If nobody is at work on it: moonlatch journal resume ACCOUNT --over %s; a new value "
    .. "is set, and that entry stays."):format(entry.marker)
  return verdict("stop", why, { fix = M.entries_of(slot) .. (fix or "Look at it, and delete it by hand.") })
end

local function says_when(slot, account)
  local current = slot.current
  return current ~= nil and current.marker ~= nil and current.since == account.changed
end

-- Has a person looked, and does the directory still show what the person saw?
local function is_forgiven(row, account)
  local seen = row and row.body.forgiven
  return type(seen) == "number" and account.changed <= seen
end

local function other(setting, row, account, slot)
  local marker = says_when(slot, account) and slot.current.marker
  if marker and setting.installations[markers.installation_of(marker)] then
    return nil, { marker = marker, since = account.changed } -- a restored journal is older than its change
  end
  local who = marker
    and ("another Moonlatch (installation %s) rotates this account"):format(markers.installation_of(marker))
    or ("somebody else changed the password on %s, after we did"):format(time.iso(account.changed))
  return who .. (is_forgiven(row, account) and ", which a person has seen" or "")
end

local function never_changed() return verdict("change", "never changed from here") end

local function fix_of_other(account, slot)
  return M.entries_of(slot) .. ("When nobody else rotates it: moonlatch journal resume %s."):format(account.upn)
end

-- Judge an account that this journal has never changed.
local function judge_unknown(row, account, slot)
  local current = slot.current
  if not current or not current.marker then return never_changed() end
  if says_when(slot, account) then return nil, { marker = current.marker, since = account.changed } end
  local why = ("what lies in the sink was set on %s, and the password was changed since (%s)")
    :format(time.iso(current.since or 0), time.iso(account.changed))
  if is_forgiven(row, account) then return verdict("change", why) end
  return verdict("stop", why, { fix = fix_of_other(account, slot) })
end

---------------------------------------------------------------------------
-- When

-- A part of the jitter, another one for each rotation, so that many accounts do not become due in the same minute.
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

-- The consumer reads the password from the entry, so an entry that is gone has to be written again.
local function judge_entry(row, account, slot)
  if slot.current or is_forgiven(row, account) or not row.body.changed_at then return nil end
  return verdict("stop", ("its entry does not lie in %s any more: it was moved or deleted"):format(row.body.where
    or "the folder of the policy"), { fix = "Move it back; or have a new password set and stored: moonlatch rotate "
    .. "POLICY --now NAME.", code = "entry_gone" })
end

-- May our own request have been carried out a second time, so lately that the same value may be sent again?
local function may_be_ours(setting, row, account, slot)
  local sent, current = row.body.sent, slot.current
  if not sent or row.state ~= "closed" or is_forgiven(row, account) then return false end
  local is_late = setting.now - sent.first > HOUR and setting.terms.on_unknown ~= "repeat"
  return not is_late and row.body.value and current and current.marker == row.body.marker
    and account.changed >= sent.from // 1 and account.changed <= sent.to
end

local function judge_changed(setting, account, row, slot)
  if account.changed > row.body.changed_at and may_be_ours(setting, row, account, slot) then
    return verdict("recover", ("its password was changed on %s, when our own request may have been delivered again")
      :format(time.iso(account.changed)), { reopens = true })
  end
  if account.changed <= row.body.changed_at then -- reads lag, so only a later date counts
    return judge_entry(row, account, slot) or by_date(setting, account, row.body.changed_at, row.body.marker)
  end
  local why, adopt = other(setting, row, account, slot)
  if adopt then return by_date(setting, account, adopt.since, adopt.marker, adopt) end
  if is_forgiven(row, account) then return verdict("change", why) end
  return verdict("stop", why, { fix = fix_of_other(account, slot) })
end

local ENDED = { closed = true, left = true }

local function judge_row(setting, account, row, slot)
  local state = row and row.state
  if state == "orphaned" then
    return verdict("stop", row.body.why or "a person must look", {
      fix = M.entries_of(slot) .. ("When you know which password is in force: moonlatch journal resume %s (a new one "
        .. "is set), or moonlatch journal close %s (it stays)."):format(account.upn, account.upn) })
  end
  if state and not ENDED[state] then return verdict("recover", ("it was left in the state '%s'"):format(state)) end
  local strange = strange_pending(slot, row)
  if strange then return M.judge_strange(setting, slot, strange) end
  if row and row.body.changed_at then return reconciled(setting, judge_changed(setting, account, row, slot)) end
  local judged, adopt = judge_unknown(row, account, slot)
  if adopt then return by_date(setting, account, adopt.since, adopt.marker, adopt) end
  return reconciled(setting, judged)
end

-- A person named the account: it is due, and an entry that is gone is written again.
local function named(judged)
  if judged.what == "wait" or judged.code == "entry_gone" then
    return verdict("change", judged.why .. "; you asked for it now", { adopt = judged.adopt })
  end
  return judged
end

-- No rotation begins before every request of the one before was carried out or cannot be any more. For an account that
-- a person named, the run waits for that.
local function rested(setting, account, slot, judged)
  local from = change_date.rested_from(account.changed, slot.current and slot.current.since)
  if setting.now >= from then return judged end
  local why = ("changed %s ago; it waits until no earlier request can be carried out any more")
    :format(time.span(math.max(0, setting.now - account.changed)))
  return verdict(M.is_named(setting, account) and "change" or "wait", why,
    { due = from, rests = true, adopt = judged.adopt })
end

-- Refusals that make no rotation wait for a person: the account is not rotated any more.
local GONE = { outside = true, disabled = true, synced = true, guest = true, federated = true }

--- Decide what to do about an account.
---@param setting rotation.setting
---@param account entra.user
---@param row rotation.account_row?
---@param slot sink.passwords.slot
---@return rotation.verdict
function M.judge(setting, account, row, slot)
  local refused, why, code = M.why_not(setting, account)
  if refused == "never" and not (row and not ENDED[row.state]) then return verdict("never", why) end
  if code == "date" then return verdict("refuse", why, { code = code }) end
  local judged = judge_row(setting, account, row, slot)
  if judged.what == "recover" then return judged end -- what was begun is ended, as far as it is allowed today
  if M.is_named(setting, account) then judged = named(judged) end
  if judged.what == "wait" or judged.what == "busy" then return judged end
  if row and row.state == "orphaned" then
    return GONE[code] and verdict("recover", judged.why .. "; " .. why) or judged
  end
  if refused then return verdict(refused, why, { code = code }) end
  if judged.what ~= "change" then return judged end
  local wrong = why_not_stored(account, slot)
  if wrong then return verdict("refuse", wrong, { code = "entry" }) end
  return rested(setting, account, slot, judged)
end

return M
