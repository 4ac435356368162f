--- The credentials of all applications of the tenant as rows: whose they are, when they expire, when they were last
--- used, and what the application could do.

local credential_rows = require "applications.credential_rows"
local existing_journal = require "session.existing_journal"
local fail = require "fail"
local federated_credentials = require "applications.federated_credentials"
local global_admin = require "entra.global_admin"
local graph = require "graph"
local hint = require "log.hint"
local kinds = require "fail.kinds"
local last_use = require "applications.last_use"
local layout = require "terminal.layout"
local log = require "log"
local nearest = require "base.nearest"
local oauth = require "oauth.sign_in"
local options_of = require("base.options").of
local owners = require "applications.owners"
local profiles = require "profile.current"
local reading = require "evidence.reading"
local task = require "task"
local tenant_credentials = require "applications.tenant_credentials"
local time = require "time"
local writer = require "report.writer"

local M = {}

-- Does the failure say what may not be read here, and nothing about the network?
local function is_unreadable(failure)
  return fail.is(failure, "journal") or fail.is(failure, "config")
    or fail.is(failure) and kinds.of(failure.kind).unreadable
end

-- What `fn` returns; where that could not be read, false, and the reason is noted in `unread`.
local function try(unread, what, fn, ...)
  local ok, value = pcall(fn, ...)
  if ok then return value == nil or value end
  if not is_unreadable(value) then error(value, 0) end
  unread[#unread + 1] = ("%s: %s"):format(what, value.why)
  return false
end

-- Now, by the clock that decides whether a credential has expired.
local function now_at_entra() return time.now() + (graph.now() or 0) end

---------------------------------------------------------------------------
-- Which credentials are listed

-- The test of --expiring, and how many credentials it left out because they have expired already, or because their
-- date cannot be read.
local function wanted_by_expiry(seconds)
  local left_out = { expired = 0, undated = 0 }
  if not seconds then return function() return true end, left_out end
  return function(one)
    local left = one.ends and one.ends - now_at_entra()
    if not left and one.kind ~= "federated" then left_out.undated = left_out.undated + 1 end
    if left and left <= 0 then left_out.expired = left_out.expired + 1 end
    return left ~= nil and left > 0 and left <= seconds
  end, left_out
end

-- Keep the credentials that are known to be unused for so long. Returns the number of those of which it is unknown.
local function keep_unused(list, places, seconds, now)
  local kept, unknown = {}, 0
  for place, one in list:each(places) do
    local verdict = last_use.unused_for(one, seconds, now)
    if verdict == "yes" then kept[#kept + 1] = place end
    if verdict == "unknown" then unknown = unknown + 1 end
  end
  return kept, unknown
end

local function raise_no_such_owner(name, known)
  local meant = nearest(name, known)
  fail.raise {
    kind = "missing", what = ("find the applications of the owner '%s'"):format(name),
    why = "no application with a credential that was asked for has an owner of that name",
    fix = meant and ("Did you mean '%s'?"):format(meant)
      or hint.text("Name an owner as `{moonlatch} applications` lists it: a user principal name, or the name of a "
        .. "service principal."),
  }
end

local NO_NAMES = "the owners of %s: only their ids may be read; User.ReadBasic.All, or a role that reads users, would "
  .. "show their names"

-- Is the object owned by somebody of this name, which is in lower case? Notes all names in `known`.
local function is_owned_by(names, wanted, known)
  local is_theirs = false
  for _, owner in ipairs(names or {}) do
    known[owner] = true
    is_theirs = is_theirs or owner:lower() == wanted
  end
  return is_theirs
end

-- Keep the credentials of objects with an owner of this name. Raises a failure, with a suggestion, when there is none
-- although all names are known. Objects whose owners have no name here are noted in `unread`.
local function keep_owned(list, places, name, unread)
  local kept, known, unnamed = {}, {}, {}
  for _, place in ipairs(places) do
    local object = list.object[place]
    if is_owned_by(list.owners[object], name:lower(), known) then kept[#kept + 1] = place
    elseif list.unnamed[object] then unnamed[#unnamed + 1] = place end
  end
  if #unnamed > 0 then
    unread[#unread + 1] = NO_NAMES:format(layout.count(#list:objects_of(unnamed), "application"))
  end
  if #kept == 0 and #unread == 0 then raise_no_such_owner(name, known) end
  return kept
end

-- What expires next first; then what never expires, then what has expired, the latest first. Of two that expire at the
-- same moment, the one that Graph listed first.
local function sort_by_expiry(list, places, now)
  local function rank(ends) return not ends and 2 or ends > now and 1 or 3 end
  table.sort(places, function(a, b)
    local left, right = list.ends[a], list.ends[b]
    if rank(left) ~= rank(right) then return rank(left) < rank(right) end
    if left ~= right then return (left < right) == (left > now) end
    return a < b
  end)
end

---------------------------------------------------------------------------
-- Reading

local function read_credentials(is_wanted, unread)
  local held, with_federated = task.all {
    function() return try(unread, "who may reach Global Administrator", global_admin.holders) end,
    function() return try(unread, "which applications have federated credentials", federated_credentials.read) end,
  }
  local tenant = oauth.principal().tenant
  return tenant_credentials.read {
    tenant = tenant and tenant:lower(), held = held, federated = with_federated, is_wanted = is_wanted,
  }
end

local function add_log(list, places)
  existing_journal.with(profiles.current(), function(journal)
    if journal then last_use.add_log(list, places, journal) end
  end)
end

-- What a report cannot tell is unknown, whatever the reason, and never "no use".
local function add_report(unread, what, add, list, places)
  local ok, err = pcall(add, list, places)
  if ok then return end
  if fail.is(err, "interrupted") then error(err, 0) end
  local gap = reading.gap(err)
  unread[#unread + 1] = ("%s (the daily report): %s. %s"):format(what, gap.why,
    gap.unavailable and gap.fix .. " Leave that out: --no-evidence." or gap.fix or "Run the same command again.")
end

local function add_use(list, places, unread)
  add_report(unread, "when the credentials were last used", last_use.add_report, list, places)
  add_report(unread, "when the applications were last used", last_use.add_principals, list, places)
  try(unread, "from where the credentials were last used (the journal)", add_log, list, places)
end

-- Fill in the owners. Those that could not be read become unknown.
local function add_owners(found, places, unread)
  local list, objects = found.list, found.list:objects_of(places)
  try(unread, "who owns the applications", owners.fill, list, objects, found.applications)
  for _, object in ipairs(objects) do
    if list.owners[object] == nil then list.owners[object] = false end
  end
end

---------------------------------------------------------------------------
-- Writing

local function write_rows(list, places, args, now)
  local people = args.format == "table"
  local out = writer.new(args.format, people and credential_rows.FOR_PEOPLE or credential_rows.COLUMNS)
  local options = { evidence = args.evidence, now = now }
  for _, one in list:each(places) do
    out:row((people and credential_rows.for_people or credential_rows.row)(one, options))
  end
  out:close()
  return out.count
end

local UNUSED_NOTE = "Of the listed ones, Entra knows no use in that time. Its report is about a day late and not "
  .. "complete: that is no proof that nobody uses them."

local function tell(counts, args)
  if args.format == "table" then
    log.note(("%s of %s"):format(layout.count(counts.rows, "credential"), layout.count(counts.objects, "object")))
  end
  if args.unused and counts.rows > 0 then log.note(UNUSED_NOTE) end
  if counts.expired > 0 then
    log.note(layout.count(counts.expired, "credential")
      .. " that expired already: left out (without --expiring they are listed)")
  end
  if counts.identities > 0 then
    log.note(layout.count(counts.identities, "managed identity", "managed identities")
      .. ": left out, as Azure renews their certificates")
  end
  if counts.unknown > 0 then
    log.warn(("of %s it is unknown whether they were used in that time, so they are not listed")
      :format(layout.count(counts.unknown, "credential")))
  end
end

---@class applications.args
---@field expiring number? only what expires within so many seconds
---@field owner string? only what this owner owns
---@field unused number? only what is known to be unused for so many seconds
---@field format "table"|"csv"|"json"
---@field evidence boolean? read when credentials were last used (true)

local read_args = options_of("applications.run", {
  expiring = "number", owner = "string", unused = "number", format = "string", evidence = "boolean",
})

local function check_args(args)
  args = read_args(args)
  if args.evidence == nil then args.evidence = true end
  if args.unused and not args.evidence then
    fail.raise {
      kind = "usage", what = "applications --unused",
      why = "without evidence nothing is known of the use of a credential",
      fix = "Leave out --no-evidence, or --unused.",
    }
  end
  return args
end

-- Collect garbage earlier than Lua's default, which would let garbage take as much memory again as the list.
local function collect_garbage_early() collectgarbage("incremental", 150, 400) end

--- Write the credentials asked for, sorted by what expires next, to standard output. Warns of what could not be read.
--- Waits.
---@param args applications.args
---@return integer count of the credentials written
---@return boolean whole was everything read, and is of every credential known whether it belongs into the list?
function M.run(args)
  args = check_args(args)
  collect_garbage_early()
  local is_wanted, left_out = wanted_by_expiry(args.expiring)
  local unread, unknown = {}, 0
  local found = read_credentials(is_wanted, unread)
  local list, places, now = found.list, found.list:places(), now_at_entra()
  if left_out.undated > 0 then
    unread[#unread + 1] = ("when %s will expire"):format(layout.count(left_out.undated, "credential"))
  end
  if args.evidence then add_use(list, places, unread) end
  if args.unused then places, unknown = keep_unused(list, places, args.unused, now) end
  add_owners(found, places, unread)
  if args.owner then places = keep_owned(list, places, args.owner, unread) end
  sort_by_expiry(list, places, now)
  local count = write_rows(list, places, args, now)
  tell({ rows = count, objects = #list:objects_of(places), unknown = unknown, expired = left_out.expired,
    identities = found.identities }, args)
  for _, one in ipairs(unread) do log.warn("the list is not whole, as this could not be read: " .. one) end
  return count, #unread == 0 and unknown == 0
end

return M
