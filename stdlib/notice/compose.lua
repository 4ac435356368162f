--- Write notices: the title, the lines and the members that a script that tells gets.

local crypto = require "host.crypto"
local layout = require "terminal.layout"
local time = require "time"

local M = {}

local MOST = 20 -- findings in one notice: a card of Teams has at most 28 KB

local STATES = { new = "", again = "still: ", worse = "worse: ", resolved = "resolved: " }

-- When something expires, in words, as of now.
local function expiry_text(item, now)
  if not item.ends then return "" end
  local day = time.day(item.ends)
  if item.ends <= now then return (": expired %s ago, on %s"):format(time.span(now - item.ends), day) end
  return (": expires in %s, on %s"):format(time.span(item.ends - now), day)
end

local function item_lines(lines, item)
  lines[#lines + 1] = ("%s %s"):format(item.severity == "critical" and item.state ~= "resolved" and "!" or "-",
    item.title)
  if item.text then lines[#lines + 1] = "  why: " .. item.text end
  if item.fix then lines[#lines + 1] = "  fix: " .. item.fix end
end

local function count_states(items)
  local counts = { news = 0, resolved = 0 }
  for _, item in ipairs(items) do
    local name = item.state == "resolved" and "resolved" or "news"
    counts[name] = counts[name] + 1
  end
  return counts
end

local function title_of(items, tenant)
  local counts, parts = count_states(items), {}
  if counts.news == 1 and #items == 1 then return ("Moonlatch, %s: %s"):format(tenant, items[1].title) end
  if counts.news > 0 then parts[1] = layout.count(counts.news, "finding") end
  if counts.resolved > 0 then parts[#parts + 1] = counts.resolved .. " resolved" end
  return ("Moonlatch, %s: %s"):format(tenant, table.concat(parts, ", "))
end

local function new_notice(kind, title, text, items, about)
  return { id = "msg_" .. crypto.uuid(), kind = kind, title = title, text = text, items = items,
    at = time.iso(about.now), tenant = about.tenant }
end

local function notice_of_items(items, about)
  local lines = {}
  for _, item in ipairs(items) do
    item.title = STATES[item.state] .. item.title .. expiry_text(item, about.now)
    item.ends = item.ends and time.iso(item.ends)
    item_lines(lines, item)
  end
  return new_notice("findings", title_of(items, about.tenant), table.concat(lines, "\n"), items, about)
end

---@class notice.about
---@field now number
---@field tenant string

--- The notices that tell these items, at most twenty in each.
---@param items notice.item[] with moments as numbers; they are changed
---@param about notice.about
---@return notice.notice[]
function M.of_items(items, about)
  local list = {}
  for first = 1, #items, MOST do
    list[#list + 1] = notice_of_items(table.move(items, first, math.min(#items, first + MOST - 1), 1, {}), about)
  end
  return list
end

--- A notice that says that Moonlatch looks, and tells.
---@param about notice.about
---@param open integer how many findings were told and are not resolved
---@return notice.notice
function M.sign_of_life(about, open)
  local text = open == 0 and "Nothing that was told is open. "
    or ("%s told before %s not resolved. "):format(layout.count(open, "finding"), open == 1 and "is" or "are")
  return new_notice("alive", ("Moonlatch, %s: a sign of life"):format(about.tenant),
    text .. "This notice shows that Moonlatch looks, and that its notices arrive.", {}, about)
end

--- A notice that a person asked for, to see whether notices arrive.
---@param about notice.about
---@return notice.notice
function M.test(about)
  return new_notice("test", ("Moonlatch, %s: a test"):format(about.tenant),
    "Somebody ran moonlatch notify --test. Nothing has to be done.", {}, about)
end

return M
