--- What the prompt does with results: where, sort, columns and save.

local class = require "base.class"
local fail = require "fail"
local json = require "host.json"
local log = require "log"
local profiles = require "profile.current"
local report = require "report"
local show = require "report.show"
local sets = require "base.sets"
local words = require "report.words"

local M = {}

local function raise_results_usage(what, why, fix) fail.raise { kind = "usage", what = what, why = why, fix = fix } end

local function read_pages(next_item, pages)
  local _ <close> = class.name(pages) == "graph.pages" and pages or nil
  local list = {}
  for item in next_item do list[#list + 1] = item end
  return list
end

-- The records of a result: a list, a page of Graph, or a list that graph.list reads page by page.
local function records_of(value, name, pages)
  if type(value) == "function" then return read_pages(value, pages) end
  if type(value) == "table" and words.is_data(value.value) and words.is_list(value.value) then value = value.value end
  if words.is_data(value) and (words.is_list(value) or next(value) == nil) then return value end
  raise_results_usage(name .. "(…)", "this is no list of records", "Give a list, such as graph.all \"/users\", or type "
    .. name .. " after a line that gave one.")
end

local function is_list_like(value)
  return type(value) == "function" or words.is_data(value) and (words.is_list(value) or words.is_data(value.value))
end

-- A pattern for a text in which * stands for any characters.
local function wildcard_pattern(text) return "^" .. text:gsub("%p", "%%%0"):gsub("%%%*", ".*") .. "$" end

local function is_member_as_wanted(got, wanted)
  if wanted == json.null or wanted == false and got == nil then return words.is_nothing(got) or got == wanted end
  if type(wanted) == "string" and type(got) == "string" then
    return got:lower():find(wildcard_pattern(wanted:lower())) ~= nil
  end
  return got == wanted
end

local function test_of_condition(condition)
  if type(condition) == "function" then return condition end
  return function(record)
    for name, wanted in pairs(condition) do
      if not is_member_as_wanted(record[name], wanted) then return false end
    end
    return true
  end
end

--- The records that have these members, or for which the function returns true. In a text, * stands for any
--- characters, and capitals do not count: where { department = "IT", displayName = "t0-*" }.
---@param list table records; the last result by default
---@param condition table|fun(record: table): any
---@return table[]
function M.where(list, condition)
  local rows, test = {}, test_of_condition(condition)
  if type(condition) ~= "table" and type(condition) ~= "function" then
    raise_results_usage("where(…)", "it has no condition", 'Write where { department = "IT" }, or where(list, '
      .. "function(record) return … end).")
  end
  for _, record in ipairs(list) do
    if test(record) then rows[#rows + 1] = record end
  end
  return show.keep_columns(rows, list)
end

-- What a value is compared by: numbers before texts, nothing last.
local function sort_key(value)
  if words.is_nothing(value) then return 3, "" end
  if type(value) == "number" then return 1, value end
  return 2, words.text(value):lower()
end

--- The records sorted by a member: sort "displayName"; sort "-createdDateTime" for the greatest first. Records without
--- the member come last.
---@param list table records; the last result by default
---@param name string
---@return table[]
function M.sort(list, name)
  if type(name) ~= "string" then raise_results_usage("sort(…)", "it has no member to sort by", 'Write sort "name".') end
  local member, rows, place = name:gsub("^%-", ""), table.move(list, 1, #list, 1, {}), {}
  local descends = name:sub(1, 1) == "-"
  for i, record in ipairs(rows) do place[record] = i end
  table.sort(rows, function(a, b)
    local kind_a, key_a = sort_key(a[member])
    local kind_b, key_b = sort_key(b[member])
    if kind_a ~= kind_b then return kind_a < kind_b end
    if key_a == key_b then return place[a] < place[b] end
    if descends then return key_a > key_b end
    return key_a < key_b
  end)
  return show.keep_columns(rows, list)
end

--- The records with these members only, shown in this order: columns "displayName, id".
---@param list table records; the last result by default
---@param ... string names of members, also several in one text
---@return table[]
function M.columns(list, ...)
  local names, rows = {}, {}
  for _, text in ipairs { ... } do
    for name in tostring(text):gmatch "[^%s,]+" do names[#names + 1] = name end
  end
  if #names == 0 then raise_results_usage("columns(…)", "no member is named", 'Write columns "displayName, id".') end
  for i, record in ipairs(list) do
    rows[i] = {}
    for _, name in ipairs(names) do rows[i][name] = record[name] end
  end
  return show.set_columns(rows, names)
end

---------------------------------------------------------------------------
-- Saving

-- The folder and the file of "reports/users.csv"; the only folder of the profile, when none is named.
local function split_place(place)
  local folder, name = place:match "^([^/]+)/([^/]+)$"
  local known = sets.sorted(profiles.current().folders or {})
  if not folder and #known == 1 and not place:find("/", 1, true) then return known[1], place end
  if folder then return folder, name end
  local fix = #known > 0 and ("Write save %q."):format(known[1] .. "/" .. (place:match "[^/]+$" or "users.csv"))
    or 'Name a folder in the profile, folders = { reports = "/home/…" }; then: save "reports/users.csv".'
  raise_results_usage(("save %q"):format(place), "files go into folders that the profile names", fix)
end

local function text_to_save(value, name)
  if name:find "%.csv$" then return report.csv(records_of(value, "save"), show.columns_of(value)) end
  if name:find "%.json$" then return json.encode(value, true) .. "\n" end
  raise_results_usage(("save %q"):format(name), "its ending says no format", "Name a file .csv or .json.")
end

--- Write a result into a folder that the profile names: save "reports/users.csv", save(list, "reports/users.json").
--- Needs --write, and asks.
---@param value any the last result by default
---@param place string "FOLDER/NAME.csv" or "FOLDER/NAME.json"
function M.save(value, place)
  if type(place) ~= "string" then
    raise_results_usage("save(…)", "the file is missing", 'Write save "reports/users.csv".')
  end
  local folder, name = split_place(place)
  local text = text_to_save(value, name)
  require("folder").write(folder, name, text)
  log.say(("%s/%s: %d bytes"):format(folder, name, #text))
end

---------------------------------------------------------------------------
-- On the last result

--- Call a function of this module as a person does, who leaves out the list for the last result.
---@param name "columns"|"save"|"sort"|"where"
---@param state repl.state
---@param first any a list, or the argument behind it
---@return any
function M.apply(name, state, first, ...)
  local fn = M[name]
  if is_list_like(first) and select("#", ...) > 0 then
    local list = name == "save" and first or records_of(first, name, select(-1, ...))
    return fn(list, ...)
  end
  local last = state.env.last
  if name == "save" then return fn(last, first) end
  return fn(records_of(last, name), first, ...)
end

return M
