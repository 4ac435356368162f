--- Which credential the consumer has: what is on record, and what Entra's log adds. Where the log shows that the
--- consumer signs in with a new credential, no person has to say so.

local credential_changes = require "rotation.credential_changes"
local graph_clock = require "graph.clock"
local in_use = require "journal.in_use"
local owned = require "entra.owned"
local retirement = require "rotation.retirement"
local use_in_log = require "rotation.use_in_log"

local M = {}

--- Note which credential the consumer has, and when that credential expires. It need not be the newest credential.
---@param self rotation.Credential
function M.note(self)
  local run, use = self.run, in_use.sort(self.kind.rows:all(self.run.journal, self.application.appId))
  local has = use.has
  if not has then return end
  local who = in_use.consumer_name(run.id == owned.SETUP and run.profile.devolutions or nil)
  if in_use.is_expired(has, graph_clock.now()) then
    return run:alarm(in_use.consumer_sentence(use, who, graph_clock.now()))
  end
  if not self.kind.find(has, self.kind.listed(self.application)) and not self.kind.is_new(has) then
    credential_changes.note_gone(self, has)
    return run:alarm(("%s was given %s, which Entra does not list"):format(who, in_use.short_key_id(has)))
  end
  if has.body.confirmed_by == "a person" then run.on_word = who end
  if use.waiting or in_use.confirmation_text(has) ~= "" then
    run:note("%s", in_use.consumer_sentence(use, who, graph_clock.now()) .. in_use.confirmation_text(has))
  end
end

local function record_use(self, found)
  local run, row = self.run, self.row
  use_in_log.tell(self, false, "Entra's log shows that %s is in use: %s", row.body.marker, found.text)
  if not run:acting() then
    self.is_use_unrecorded = true
    return
  end
  retirement.confirm(run.journal, self.kind, row, in_use.BY_LOG, self.terms.grace)
  self:sort_credentials()
end

--- Confirm the credential that a person was given and did not confirm, if the log shows its use; in a plan, set
--- `is_use_unrecorded`. Waits.
---@param self rotation.Credential
function M.confirm_by_log(self)
  use_in_log.read(self)
  local row = self.row
  if not row or self:is_confirmed() or not self:is_placed() or not row.body.key_id then return end
  local found = use_in_log.verdict(self, row)
  if found.verdict == "in use" then return record_use(self, found) end
  if found.verdict == "unknown" then use_in_log.tell_unread(self) end
  if found.verdict == "tried" then
    use_in_log.tell(self, false, "%s was tried, which does not show that it is in use: %s", row.body.marker, found.text)
  end
end

return M
