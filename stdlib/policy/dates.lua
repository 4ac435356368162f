--- The days that a policy excepts: "2026-12-24", "2026-12-15..2027-01-05", "2026-12-15..2027-01-05 Europe/Paris".

local fail = require "fail"
local sys = require "host.sys"
local zone = require "time.zone"

local M = {}

local DAY = 86400

---@class policy.dates
---@field text string as written
---@field first integer days since 1970
---@field last integer
---@field zone zone? the time zone of the days, when it is named

local function raise_dates_malformed(text, why)
  fail.raise {
    kind = "config", what = ('read the dates "%s"'):format(text), why = why,
    fix = 'Write the dates as "2026-12-24", "2026-12-15..2027-01-05" or "2026-12-15..2027-01-05 Europe/Paris".',
  }
end

local function parse_day(text, part)
  local year, month, day = part:match("^(%d%d%d%d)%-(%d%d)%-(%d%d)$")
  if not year then raise_dates_malformed(text, ("'%s' is not of the form YYYY-MM-DD"):format(part)) end
  local asked = { year = tonumber(year), month = tonumber(month), day = tonumber(day) }
  local is_near = asked.month >= 1 and asked.month <= 12 and asked.day >= 1 and asked.day <= 31
  local midnight = is_near and sys.from_utc(asked.year, asked.month, asked.day, 0, 0, 0)
  local date = midnight and sys.utc(midnight)
  if not date or date.month ~= asked.month or date.day ~= asked.day then
    raise_dates_malformed(text, ("there is no day %s"):format(part))
  end
  return midnight // DAY
end

--- Read one day, or the days from one to another, both included.
---@param text string
---@return policy.dates
function M.parse(text)
  local days, name, rest = text:match("^%s*(%S+)%s*(%S*)%s*(.-)$")
  if not days or rest ~= "" then raise_dates_malformed(text, "it is not of the form FIRST..LAST ZONE") end
  local first, last = days:match("^(.-)%.%.(.*)$")
  local dates = { text = text, first = parse_day(text, first or days), last = parse_day(text, last or days) }
  if dates.last < dates.first then raise_dates_malformed(text, "the last day is before the first") end
  dates.zone = name ~= "" and zone.load(name) or nil
  return dates
end

---@class policy.span
---@field from number the moment it begins
---@field to number the moment it is over

-- The span of time of such days. Where the clock is put back over midnight, the whole repeated hour belongs to the last
-- day.
local function span_of_dates(dates, here)
  local zone_of_days = dates.zone or here
  return { from = zone_of_days:moment(dates.first * DAY), to = zone_of_days:past((dates.last + 1) * DAY) }
end

--- The spans of time of such days, in order and without overlaps.
---@param list policy.dates[]
---@param here zone the time zone of days that name none
---@return policy.span[]
function M.spans(list, here)
  local spans, apart = {}, {}
  for i, dates in ipairs(list) do spans[i] = span_of_dates(dates, here) end
  table.sort(spans, function(a, b) return a.from < b.from end)
  for _, span in ipairs(spans) do
    local last = apart[#apart]
    if last and span.from <= last.to then last.to = math.max(last.to, span.to) else apart[#apart + 1] = span end
  end
  return apart
end

return M
