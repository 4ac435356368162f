--- What the sources of evidence share: reading a list within the budget, and saying why a source could not be read.

local budget = require "evidence.budget"
local fail = require "fail"
local json = require "json"
local licence = require "entra.licence"
local pages = require "graph.pages"
local time = require "time"

local M = {}

local MOST_OF_A_PAGE = 999

---@class evidence.reading.options
---@field filter table?
---@field bare boolean? may the answer be the only item itself?
---@field whole boolean? ask for no page size: the call is not documented to take one

--- The items of a list below /reports or /auditLogs, page by page. Waits.
---@param path string
---@param what string
---@param options evidence.reading.options?
---@return fun(): table|nil
function M.items(path, what, options)
  options = options or {}
  return pages.items(pages.of(path, { what = what, filter = options.filter, ready = budget.wait, bare = options.bare,
    top = not options.whole and MOST_OF_A_PAGE or nil }, false))
end

local function rows_of_application(asked, filter)
  local list = {}
  local options = { filter = filter, bare = filter ~= nil, whole = asked.whole }
  for record in M.items(asked.path, asked.what, options) do
    local row = asked.decode(record)
    if row.app_id == asked.app_id then list[#list + 1] = row end
  end
  return list
end

---@class evidence.reading.asked
---@field path string
---@field what string
---@field decode fun(record: table): table a row with `app_id`, in lower case
---@field app_id string client id in lower case
---@field whole boolean? as for `items`

--- The rows of a report about one application. Editions of the documentation differ in whether a report has a filter:
--- where it has none, the whole report is read. The documentation's example of a filtered answer is a bare object
--- instead of a page, so both are read. Waits.
---@param asked evidence.reading.asked
---@return table[] rows
function M.rows_about(asked)
  local ok, list = pcall(rows_of_application, asked, { "appId eq %s", asked.app_id })
  if ok then return list end
  if not fail.is(list) or list.status ~= 400 then error(list, 0) end
  return rows_of_application(asked)
end

--- Raise a failure because a record cannot be read. It cannot be left out: what it says would then count as not there.
---@param what string
---@param member string
function M.raise_unreadable(what, member)
  fail.raise {
    kind = "bad_answer", what = what, why = ("a record has no readable `%s`"):format(member),
    fix = "Run the same command again. If this stays so, Entra has changed the form of its log: look for a newer "
      .. "version of Moonlatch.",
  }
end

--- The text of a member; nil for JSON null, for "", and for what is no text.
---@param value any
---@return string?
function M.text(value)
  return type(value) == "string" and value ~= "" and value or nil
end

--- A GUID as it is compared: in lower case.
---@param value any
---@return string?
function M.id(value)
  local text = M.text(value)
  return text and text:lower()
end

--- The object at a member; {} for JSON null and for what is no object.
---@param value any
---@return table
function M.object(value)
  return type(value) == "table" and value ~= json.null and value or {}
end

--- The moment of a member; nil when there is none, or it has no form of a moment.
---@param value any
---@return number?
function M.moment(value)
  if not M.text(value) then return nil end
  local ok, at = pcall(time.parse, value)
  return ok and at or nil
end

local GRANT = "Grant the permission AuditLog.Read.All to the application that signs in; a person needs the directory "
  .. "role Reports Reader or Security Reader. Or leave evidence out: --no-evidence."

--- Was the call not sent, because the script does not declare it? `--no-evidence` leaves the calls out of the needs.
---@param failure any
---@return boolean
function M.is_left_out(failure)
  local cause = fail.is(failure) and failure.cause
  return type(cause) == "table" and cause.transport == "undeclared"
end

-- Why Entra refuses a source, in the order in which one looks; each is "not available here", and never "no use".
local REFUSALS = {
  {
    fits = function(failure) return licence.is_missing(failure) end,
    why = "the tenant has no licence Entra ID P1 or P2, which Entra demands for this log",
    fix = "With a licence Entra ID P1 or P2 this can be known; it takes up to three days to show.",
  },
  { fits = function(failure) return failure.status == 403 end, why = "not permitted", fix = GRANT },
  {
    fits = function(failure) return failure.status == 400 or failure.status == 404 end,
    why = "this cloud does not have it",
    fix = "It is part of the beta version of Microsoft Graph, in the global cloud only.",
  },
  {
    fits = function(failure) return M.is_left_out(failure) end, why = "evidence was left out",
    fix = "Leave out --no-evidence; a script of your own declares the calls in its needs.",
  },
}

--- Why a source could not be read.
---@param failure any
---@return evidence.age
function M.gap(failure)
  if not fail.is(failure) or failure.kind == "interrupted" or failure.kind == "journal" then error(failure, 0) end
  for _, refusal in ipairs(REFUSALS) do
    if refusal.fits(failure) then return { why = refusal.why, fix = refusal.fix, unavailable = true } end
  end
  if failure.kind == "timeout" then
    return { why = "there was no time to read it", fix = "Run the same command again: it goes on where it stopped." }
  end
  return { why = tostring(failure.why), fix = failure.fix }
end

return M
