--- Having Entra make a client secret, so that its value is never lost unnoticed.
--
-- Entra chooses the value and shows it once. So the intent is on record before
-- the request leaves, the value is sealed before anything else happens, and an
-- answer that was lost is looked for and then given up: not seeing it proves
-- nothing.

local answer = require "entra.answer"
local clock = require "graph.clock"
local fail = require "fail"
local graph = require "graph"
local log = require "log"
local outcome = require "rotation.outcome"
local rows = require("rotation.store").client_secrets
local secret = require "host.secret"
local task = require "task"
local time = require "time"
local view = require "rotation.view"

local M = {}

local LOOKS = { 0, 120, 900 } -- seconds after sending at which a lost one is looked for
local MOST_SKEW = 300 -- seconds

--- Now, by Graph's clock: what goes on record is its time.
M.now = clock.now

--- Stop when this machine's clock cannot be trusted with dates.
---@param what string what is not done then
function M.check_clock(what)
  local skew = graph.now() or 0
  if math.abs(skew) <= MOST_SKEW then return end
  fail.raise {
    kind = "config", what = what,
    why = ("this machine's clock is %s %s Entra's"):format(time.span(skew), skew > 0 and "behind" or "ahead of"),
    fix = "Set the clock (systemd-timesyncd or chrony), then run the same command again.",
  }
end

--- The application's credentials as Entra shows them now. New ones can be hidden for a while.
---@param application table
---@return table[]
function M.credentials(application)
  local what = ("read the client secrets of '%s'"):format(application.displayName)
  local actual = graph.get(graph.path("/applications/{id}", application.id), {
    select = { "id", "passwordCredentials" }, fresh_write = true, what = what,
  })
  return answer.with(actual, what, "passwordCredentials").passwordCredentials
end

---------------------------------------------------------------------------
-- The request

local function ask(row, application, description)
  local name = description and (row.body.marker .. " " .. description) or row.body.marker
  return graph.post(graph.path("/applications/{id}/addPassword", application.id), {
    passwordCredential = { displayName = name, endDateTime = time.iso(row.body.ends) },
  }, {
    repeatable = false, fresh_write = true, what = ("add a client secret to '%s'"):format(application.displayName),
    note = ("client secret %s of %s"):format(row.body.marker, application.appId),
  })
end

-- Sealed and committed before anything else is done with it.
local function keep(journal, row, made)
  if not secret.is(made.secretText) or type(made.keyId) ~= "string" then
    fail.raise {
      kind = "bad_answer", what = "read the new client secret", why = "the answer does not hold it",
      fix = "Run the same command again: what was made is looked for, and replaced.",
    }
  end
  rows:seal(journal, row, made.secretText)
  rows:put(journal, row, "known", {
    key_id = made.keyId, hint = made.hint, known_at = M.now(),
    ends = type(made.endDateTime) == "string" and time.parse(made.endDateTime) or row.body.ends,
  })
end

-- One try. True when the value is known, false when its answer was lost.
local function try(journal, row, application, description)
  rows:stage(journal, row, "sent", { sent_at = M.now(), ends = (M.now() + row.body.lifetime) // 1 })
  local ok, result = pcall(ask, row, application, description)
  if ok then
    keep(journal, row, result)
    return true
  end
  if not fail.is(result) then error(result, 0) end
  if outcome.certainly_not(result) then
    rows:close(journal, row, "refused: " .. result.why)
    error(result, 0)
  end
  rows:put(journal, row, "sent", { why = result.why })
  log.warn(("the answer that held the new client secret was lost (%s)"):format(result.why))
  return false
end

---------------------------------------------------------------------------
-- Lost answers

local function look(journal, row, application)
  local credential = view.find(row, M.credentials(application)) or {}
  rows:put(journal, row, "sent", { looked_at = M.now(), key_id = credential.keyId, hint = credential.hint })
  return credential.keyId and credential
end

--- Look for the credential of a lost answer: at once, after two and after fifteen
--- minutes, until it is seen. Stopping meanwhile is safe.
---@param journal host.journal.journal
---@param row rotation.row in state sent
---@param application table
---@return table? credential
function M.look_for(journal, row, application)
  for _, after in ipairs(LOOKS) do
    local wait = row.body.sent_at + after - M.now()
    if wait > 0 then
      log.progress(("looking again for the client secret %s in %s; stopping now is safe")
        :format(row.body.marker, time.span(wait)))
      task.sleep(wait)
    end
    if (row.body.looked_at or 0) < row.body.sent_at + after then
      local credential = look(journal, row, application)
      if credential then return credential end
    end
  end
end

--- Have a new secret made. The row it is on record with, in state known.
---@param journal host.journal.journal
---@param application table
---@param terms table name, workflow, lifetime, grace, description
---@param again rotation.row? an intent that was recorded and never sent
---@return rotation.row
function M.mint(journal, application, terms, again)
  M.check_clock "have a client secret made"
  for _ = 1, 2 do
    local row = again or rows:new(journal, {
      application = application.id, app_id = application.appId, name = application.displayName,
      workflow = terms.workflow, lifetime = terms.lifetime, grace = terms.grace,
    })
    again = nil
    rows:put(journal, row, "intent", { lifetime = terms.lifetime, grace = terms.grace })
    if try(journal, row, application, terms.description) then return row end
    M.look_for(journal, row, application)
  end
  fail.raise {
    kind = "transient", what = ("add a client secret to '%s'"):format(application.displayName),
    why = "the answer that holds its value was lost twice",
    fix = "Something between here and Entra cuts answers. Run the same command again later; "
      .. "what was made in vain is known and is cleared up.",
  }
end

return M
