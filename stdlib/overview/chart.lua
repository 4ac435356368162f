--- The charts of the page, as SVG: bars, and the time line. They hold counts and names of months, and nothing from the
--- directory. Their text keeps its size whatever the width, because places are shares of the width.

local html = require "report.html"

local tag = html.tag

local M = {}

local function share(part, whole) return ("%.2f%%"):format(whole > 0 and 100 * part / whole or 0) end

--- A bar for a line of a table that has the numbers: parts one after another, each with the class of its pattern.
---@param parts { count: integer, class: string }[]
---@param whole integer count of the longest bar
---@return report.html.node
function M.bar(parts, whole)
  local rectangles, from = {}, 0
  for _, part in ipairs(parts) do
    if part.count > 0 then
      rectangles[#rectangles + 1] = tag.rect { class = part.class, x = share(from, whole), y = 0, height = 10,
        width = share(part.count, whole) }
    end
    from = from + part.count
  end
  return tag.svg { class = "bar", width = "100%", height = 10, ["aria-hidden"] = "true",
    tag.rect { class = "track", x = 0, y = 0, width = "100%", height = 10 }, rectangles }
end

--- The patterns of bars, once for a page: hatched and dotted areas differ without colour.
---@return report.html.node
function M.patterns()
  return tag.svg { class = "patterns", width = 0, height = 0, ["aria-hidden"] = "true", tag.defs {
    tag.pattern { id = "hatch", width = 6, height = 6, patternUnits = "userSpaceOnUse",
      patternTransform = "rotate(45)", tag.rect { class = "hatch-ground", width = 6, height = 6 },
      tag.rect { class = "hatch-line", width = 2.5, height = 6 } },
    tag.pattern { id = "dots", width = 5, height = 5, patternUnits = "userSpaceOnUse",
      tag.rect { class = "dots-ground", width = 5, height = 5 }, tag.circle { class = "dots-dot", cx = 2.5, cy = 2.5,
      r = 1.3 } },
  } }
end

--- The square that stands for a pattern in a legend.
---@param class string
---@return report.html.node
function M.swatch(class)
  return tag.svg { class = "swatch", width = 14, height = 14, ["aria-hidden"] = "true",
    tag.rect { class = class, width = 14, height = 14 } }
end

local TOP, HEIGHT, BOTTOM = 22, 120, 40 -- pixels above the highest column, of that column, and below the axis

local SHORT = { expired = "past" } -- on a phone a column is 25 pixels wide

-- "Jan" with the year below it, where a year begins; "past" and "later" are one line.
local function month_label(month, x, is_first)
  local name, year = month.name:match "^(%a+) (%d+)$"
  local lines = { tag.text { class = name and "month" or "month word", x = x, y = TOP + HEIGHT + 16,
    ["text-anchor"] = "middle", name or SHORT[month.name] or month.name } }
  if year and (is_first and name ~= "Dec" or name == "Jan") then
    lines[2] = tag.text { class = "year", x = x, y = TOP + HEIGHT + 32, ["text-anchor"] = "middle", year }
  end
  return lines
end

local function is_open_ended(month) return not month.name:find "%d" end

-- The column of a month, with its count above it. What has expired, and what expires later, is no month: it has its
-- count only.
local function month_column(month, place, count, most)
  local width = 100 / count
  local x, middle = ("%.2f%%"):format((place - 0.82) * width), ("%.2f%%"):format((place - 0.5) * width)
  local total, base, parts = month.on_record + month.others, TOP + HEIGHT, {}
  local parted = { { month.on_record, "followed" }, { month.others, "others" } }
  for _, part in ipairs(is_open_ended(month) and {} or parted) do
    local height = part[1] > 0 and math.max(3, HEIGHT * part[1] / most) or 0
    base = base - height
    if height > 0 then
      parts[#parts + 1] = tag.rect { class = part[2], x = x, y = ("%.1f"):format(base),
        width = ("%.2f%%"):format(0.64 * width), height = ("%.1f"):format(height) }
    end
  end
  if total > 0 then
    parts[#parts + 1] = tag.text { class = "count", x = middle, y = ("%.1f"):format(base - 6),
      ["text-anchor"] = "middle", total }
  end
  return { parts, month_label(month, middle, place == 2) }
end

--- The time line: a column for each month, between the counts of what has expired and of what expires later.
---@param months overview.month[]
---@param title string
---@param description string
---@return report.html.node
function M.time_line(months, title, description)
  local most, columns = 1, {}
  for _, month in ipairs(months) do
    most = is_open_ended(month) and most or math.max(most, month.on_record + month.others)
  end
  for place, month in ipairs(months) do columns[place] = month_column(month, place, #months, most) end
  return tag.svg { class = "time-line", width = "100%", height = TOP + HEIGHT + BOTTOM, role = "img",
    ["aria-labelledby"] = "time-line-title time-line-text",
    tag.title { id = "time-line-title", title }, tag.desc { id = "time-line-text", description },
    tag.line { class = "axis", x1 = 0, y1 = TOP + HEIGHT + 0.5, x2 = "100%", y2 = TOP + HEIGHT + 0.5 }, columns }
end

return M
