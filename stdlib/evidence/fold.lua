--- Sum up sign-in events: one summary for each key id, address, `ours` and `unsure`.

local M = {}

local MOST_USES = 500 -- summaries of one application: further addresses are counted without the address
local MOST_DAYS = 100 -- days with a success that are kept one by one in a summary

local DAY = 86400

local function use_name(use)
  return ("%s|%s|%s|%s"):format(use.key_id, use.address, use.ours, use.unsure or false)
end

local function least(a, b) return a and b and math.min(a, b) or a or b end
local function most(a, b) return a and b and math.max(a, b) or a or b end

-- Add days to the days of a use; both lists are sorted.
local function join_days(use, days)
  local has, list = {}, {}
  for _, some in ipairs { use.days, days } do
    for _, day in ipairs(some) do
      if not has[day] then list[#list + 1] = day end
      has[day] = true
    end
  end
  table.sort(list)
  while #list > MOST_DAYS do
    table.remove(list, 1)
    use.earlier_days = use.earlier_days + 1
  end
  use.days = list
end

local function copy_use(use)
  local copy = {}
  for name, value in pairs(use) do copy[name] = value end
  copy.days, copy.earlier_days = { table.unpack(use.days or {}) }, use.earlier_days or 0
  return copy
end

-- Add a summary to another one of the same name.
local function join_uses(use, other)
  if other.last_error_at and other.last_error_at >= (use.last_error_at or -math.huge) then
    use.last_error, use.last_error_at = other.last_error, other.last_error_at
  end
  use.first, use.last = math.min(use.first, other.first), math.max(use.last, other.last)
  use.first_success = least(use.first_success, other.first_success)
  use.last_success = most(use.last_success, other.last_success)
  use.count, use.earlier_days = use.count + other.count, use.earlier_days + (other.earlier_days or 0)
  join_days(use, other.days or {})
end

-- The summary to which this one belongs; its address is left out where there are too many.
local function find_use(by_name, list, use)
  local found = by_name[use_name(use)]
  if found or #list < MOST_USES or use.address == "" then return found end
  use.address = ""
  return by_name[use_name(use)]
end

---@class evidence.summaries
---@field list evidence.summary[]
---@field by_name table<string, evidence.summary>

--- Begin a list of summaries, to add to one by one.
---@return evidence.summaries
function M.begin() return { list = {}, by_name = {} } end

--- Add a summary; the caller does not use it afterwards.
---@param summaries evidence.summaries
---@param use evidence.summary
function M.add(summaries, use)
  local found = find_use(summaries.by_name, summaries.list, use)
  if found then return join_uses(found, use) end
  table.insert(summaries.list, use)
  summaries.by_name[use_name(use)] = use
end

--- Join lists of summaries. The lists are not changed.
---@param ... evidence.summary[]
---@return evidence.summary[]
function M.merge(...)
  local summaries = M.begin()
  for _, uses in ipairs { ... } do
    for _, one in ipairs(uses) do M.add(summaries, copy_use(one)) end
  end
  return summaries.list
end

-- The last event of a summary, as a summary of its own.
local function last_event(use)
  local was_success, was_error = use.last_success == use.last, use.last_error_at == use.last
  return {
    key_id = use.key_id, address = use.address, ours = use.ours, unsure = use.unsure,
    first = use.last, last = use.last, count = 1,
    first_success = was_success and use.last or nil, last_success = was_success and use.last or nil,
    last_error = was_error and use.last_error or nil, last_error_at = was_error and use.last or nil,
    days = was_success and { use.last // DAY | 0 } or {}, earlier_days = 0,
  }
end

-- The last event of each credential at each address; whose it was may be known better later.
local function last_events(uses)
  local last_of = {}
  for _, use in ipairs(uses) do
    local name = use.key_id .. "|" .. use.address
    last_of[name] = math.max(use.last, last_of[name] or use.last)
  end
  return last_of
end

--- The last events that an earlier reading of the log showed, and a later one of the same time does not show any more:
--- a log may lose rows that it had, but what was seen has happened.
---@param earlier evidence.summary[]
---@param later evidence.summary[]
---@return evidence.summary[]
function M.vanished(earlier, later)
  local last_of, list = last_events(later), {}
  for _, use in ipairs(earlier) do
    local last = last_of[use.key_id .. "|" .. use.address]
    if not last or use.last > last then list[#list + 1] = last_event(use) end
  end
  return list
end

-- The key id of an event. One that does not say may have been with any client secret; one that says that it was with
-- another kind of credential was with none.
local function key_of(event)
  if event.key_id then return event.key_id end
  return (event.credential == "secret" or event.credential == "unknown") and "" or event.credential
end

--- The summary of a single event.
---@param event evidence.sign_in
---@param ours boolean
---@param unsure boolean? is it not known whose it is?
---@return evidence.summary
function M.use(event, ours, unsure)
  local is_success = event.error == 0
  return {
    key_id = key_of(event), address = event.address or "", ours = ours, unsure = unsure or nil,
    first = event.at, last = event.at, count = 1,
    first_success = is_success and event.at or nil, last_success = is_success and event.at or nil,
    last_error = not is_success and event.error or nil, last_error_at = not is_success and event.at or nil,
    days = is_success and { event.at // DAY | 0 } or {}, earlier_days = 0,
  }
end

--- Leave the address out of the summaries whose last sign-in is older than `before`: addresses are personal data.
---@param uses evidence.summary[]
---@param before number
---@return evidence.summary[]
function M.forget_addresses(uses, before)
  local list = {}
  for i, use in ipairs(uses) do
    list[i] = use
    if use.last < before and use.address ~= "" then
      list[i] = copy_use(use)
      list[i].address = ""
    end
  end
  return M.merge(list)
end

return M
