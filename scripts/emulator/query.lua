--- The query options and the pages of lists and objects (Microsoft Learn: query-parameters, aad-advanced-queries,
--- paging; copies of 2026-05).

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local directory = require "emulator.tenant.directory"
local filter = require "emulator.filter"
local json = require "json"
local schema = require "emulator.schema"
local random = require "emulator.random"

local M = {}

local DIRECTORY = { user = true, group = true, application = true, servicePrincipal = true, directoryObject = true }
-- What a directoryObject may be.
local MIXED = { "user", "group", "servicePrincipal", "application", "directoryRole", "device" }
local PAGE, LARGEST = 100, 999
local MOST_EXPANDING = 100 -- objects on a page with $expand, whatever $top says (techcommunity.microsoft.com, 4203190)
local SELECT_ONLY = { lastPasswordChangeDateTime = true, passwordProfile = true } -- Microsoft Learn: user resource

---@class emulator.query
---@field select string[]?
---@field expand {name: string, inner: string}[]
---@field filter emulator.filter?
---@field search string? property
---@field wanted string? what to search for
---@field orderby {name: string, down: boolean}?
---@field top integer
---@field from integer
---@field count boolean
---@field advanced boolean

---@class emulator.source where a list comes from
---@field scan fun(at: number, from: integer, equals: table?): fun(): integer?, table?
---@field count nil|fun(at: number): integer
---@field dress nil|fun(row: table): table adds members that are computed from the row
---@field expand nil|table<string, fun(row: table, inner: string): any>
---@field show nil|fun(row: table): table? in place of the usual form of a row
---@field mixed boolean? rows are directory objects of several types
---@field single_page boolean?

local function option(ctx, name)
  return ctx.request.query["$" .. name] or ctx.request.query[name]
end

local function has_property(type_name, name)
  if type_name ~= "directoryObject" then return schema.property(type_name, name) ~= nil end
  for _, kind in ipairs(MIXED) do
    if schema.property(kind, name) then return true end
  end
  return false
end

--- The true spelling of a name in $select, which has no case (recorded 2021: $select=Id).
local function spelling(type_name, name)
  if has_property(type_name, name) then return name end
  for _, kind in ipairs(type_name == "directoryObject" and MIXED or { type_name }) do
    local found = schema.spelling(kind, name)
    if found then return found end
  end
  return name
end

local function check_property(type_name, name)
  if not has_property(type_name, name) then
    answer.bad_query("Could not find a property named '%s' on type 'microsoft.graph.%s'.", name, type_name)
  end
end

local function check_filterable(type_name, name)
  check_property(type_name, name)
  if not SELECT_ONLY[name] then return end
  local resource = type_name:sub(1, 1):upper() .. type_name:sub(2)
  answer.refuse(400, "Request_UnsupportedQuery",
    ("Unsupported or invalid query filter clause specified for property '%s' of resource '%s'."):format(name, resource))
end

local function names_of(text, type_name)
  if not text or text == "" or text == "*" then return nil end
  local list = {}
  for name in text:gmatch("[^,%s]+") do
    name = spelling(type_name, name)
    check_property(type_name, name)
    list[#list + 1] = name
  end
  return list
end

--- A context with what was selected: "applications(id)/$entity" (recorded 2021 and 2022).
local function context_of(ctx, what, query)
  if query.select then
    local list, entity = what:match("^(.-)(/%$entity)$")
    what = ("%s(%s)%s"):format(list or what, table.concat(query.select, ","), entity or "")
  end
  return ctx:context(what)
end

--- Split at the commas that are not in parentheses.
local function expansions(text)
  local list, depth, from = {}, 0, 1
  text = text or ""
  for at, mark in (text .. ","):gmatch("()([(),])") do
    if mark == "," and depth == 0 then
      local name, inner = text:sub(from, at - 1):match("^%s*([%w%.]+)%(?(.-)%)?%s*$")
      if name then list[#list + 1] = { name = name, inner = inner } end
      from = at + 1
    end
    depth = depth + (mark == "(" and 1 or mark == ")" and -1 or 0)
  end
  return list
end

---@class emulator.query.limits what a list of one type supports, where that is less than usual
---@field page integer the default page
---@field largest integer
---@field filter table<string, string> path -> operators: { ["status/errorCode"] = "eq" }
---@field order table<string, boolean>
---@field check nil|fun(ctx: emulator.context, path: string, operator: string, value: any) refuses more

local limits = {} ---@type table<string, emulator.query.limits>

--- Say what lists of a type support.
---@param type_name string
---@param limit emulator.query.limits
function M.limit(type_name, limit) limits[type_name] = limit end

-- Raises for a comparison that lists of the type do not support (the text: microsoft-graph-docs#14173).
local function judge_of(ctx, type_name)
  local limit = limits[type_name]
  return limit and function(path, operator, value)
    local operators = limit.filter[path] or ""
    if not (" " .. operators .. " "):find(" " .. operator .. " ", 1, true) then
      answer.bad_query("Invalid filter clause")
    end
    if limit.check then limit.check(ctx, path, operator, value) end
  end
end

local function page_size(ctx, query, type_name)
  local text = option(ctx, "top")
  local limit = limits[type_name]
  local top = math.tointeger(tonumber(text or limit and limit.page or PAGE))
  if not top then answer.bad_query("Invalid value '%s' for $top query option.", text) end
  local largest = limit and limit.largest or LARGEST
  for _, name in ipairs(query.select or {}) do
    if name == "signInActivity" then largest = 500 end -- Microsoft Learn: throttling-limits
  end
  if top < 1 or top > largest then
    answer.refuse(400, "Request_UnsupportedQuery",
      ("Invalid page size specified: '%d'. Must be between 1 and %d inclusive."):format(top, largest))
  end
  return #query.expand > 0 and math.min(top, MOST_EXPANDING) or top
end

local function token_of(place)
  return ("%08x%08x"):format(place, random.mix(place) & 0xFFFFFFFF)
end

local function place_of(ctx)
  local token = option(ctx, "skiptoken")
  if not token then return 1 end
  local place = tonumber(token:match("^(%x%x%x%x%x%x%x%x)%x%x%x%x%x%x%x%x$") or "", 16)
  if not place or token_of(place) ~= token then
    answer.refuse(400, "Directory_ExpiredPageToken", "The specified page token value has expired and can no longer be "
      .. "included in your request.")
  end
  return place
end

local function order_of(text, type_name)
  if not text then return nil end
  local name, direction = text:match("^%s*([%w]+)%s*(%a*)")
  check_property(type_name, name or text)
  if limits[type_name] and not limits[type_name].order[name] then
    answer.bad_query("Invalid orderby clause: '%s' cannot be ordered by.", name)
  end
  return { name = name, down = direction:lower() == "desc" }
end

local function search_of(text)
  if not text then return nil end
  local property, wanted = text:match('^"(%w+):(.*)"$')
  if not property then
    answer.bad_query("Syntax error: a clause of the form \"property:text\" was expected at position 0 in '%s'.", text)
  end
  return property, wanted:lower()
end

local function unsupported(message)
  answer.refuse(400, "Request_UnsupportedQuery", message)
end

--- Refuse a query that only the advanced engine supports, unless it has the header ConsistencyLevel: eventual and
--- $count=true.
local function check_advanced(ctx, query, type_name)
  if not DIRECTORY[type_name] then return end
  local eventual = (ctx.request.header("consistencylevel") or ""):lower() == "eventual"
  local needs = query.filter and (query.filter.advanced or query.orderby)
  if query.search and not eventual then
    unsupported("Request with $search query parameter only works through MSGraph with a special request header: "
      .. "'ConsistencyLevel: eventual'")
  elseif needs and not (eventual and query.count) then
    unsupported("The request uses query options that are only supported with the header 'ConsistencyLevel: eventual' "
      .. "and $count=true.")
  end
  query.advanced = eventual and (needs or query.search or query.count) and true or false
  query.count = query.count and eventual
  if query.advanced and #query.expand > 0 then unsupported("$expand is not supported with advanced queries.") end
end

--- Read the query options of a request for a list of this type.
---@param ctx emulator.context
---@param type_name string
---@return emulator.query
function M.read(ctx, type_name)
  if option(ctx, "skip") then unsupported("'$skip' is not supported by the service.") end
  local query = {
    select = names_of(option(ctx, "select"), type_name),
    expand = expansions(option(ctx, "expand")),
    orderby = order_of(option(ctx, "orderby"), type_name),
    count = option(ctx, "count") == "true",
    from = place_of(ctx),
  }
  query.search, query.wanted = search_of(option(ctx, "search"))
  local text = option(ctx, "filter")
  if text then
    local message
    query.filter, message = filter.parse(text, function(name) check_filterable(type_name, name) end,
      judge_of(ctx, type_name))
    if not query.filter then answer.bad_query("%s", message) end
    if limits[type_name] and query.filter.advanced then answer.bad_query("Invalid filter clause") end
  end
  query.top = page_size(ctx, query, type_name)
  check_advanced(ctx, query, type_name)
  return query
end

local function fits(query, row)
  if query.filter and not query.filter.fits(row) then return false end
  if not query.search then return true end
  local value = row[query.search]
  return type(value) == "string" and value:lower():find(query.wanted, 1, true) ~= nil
end

local dresses = {} ---@type table<string, fun(ctx: emulator.context): fun(row: table): table>

--- Say how rows of a type get the members that are computed when they are read.
---@param type_name string
---@param dressed fun(ctx: emulator.context): fun(row: table): table
function M.dress(type_name, dressed) dresses[type_name] = dressed end

--- The function that gives a row of a type its computed members.
---@param ctx emulator.context
---@param type_name string
---@return fun(row: table): table
function M.dresser(ctx, type_name)
  local made = ctx.dressers or {}
  ctx.dressers = made
  if not made[type_name] then
    made[type_name] = dresses[type_name] and dresses[type_name](ctx) or function(row) return row end
  end
  return made[type_name]
end

local function dressed_row(ctx, type_name, row)
  return M.dresser(ctx, type_name)(row)
end

local function show_object(ctx, type_name, row, select)
  local shown = access.sees(ctx, type_name) and schema.show(type_name, row, select) or { id = row.id }
  shown["@odata.type"] = "#microsoft.graph." .. type_name
  return shown
end

--- An object of a mixed list with its type; only its id when the caller may not see it.
---@param ctx emulator.context
---@param type_name string
---@param row table
---@param select string[]?
---@return table
function M.object(ctx, type_name, row, select)
  return show_object(ctx, type_name, dressed_row(ctx, type_name, row), select)
end

local function show(ctx, type_name, source, query, row)
  local own = source.show and source.show(row)
  if own then return own end
  if source.mixed then return show_object(ctx, row._type, row, query.select) end
  local shown = schema.show(type_name, row, query.select)
  for _, expansion in ipairs(query.expand) do
    local expand = source.expand and source.expand[expansion.name]
    if not expand then
      answer.bad_query("Could not find a property named '%s' on type 'microsoft.graph.%s'.", expansion.name, type_name)
    end
    shown[expansion.name] = expand(row, expansion.inner)
  end
  return shown
end

local function rows_from(source, query, at)
  local step = source.scan(at, query.from, query.filter and query.filter.equals)
  return function()
    while true do
      local place, row = step()
      if not place then return nil end
      row = source.dress and source.dress(row) or row
      if fits(query, row) then return place, row end
    end
  end
end

local function key_of(value)
  return type(value) == "string" and value:lower() or tostring(value or "")
end

-- Sort a list. Only positions and keys of all rows are kept; the rows of a page are looked up again.
local function sorted(source, query, at)
  local order, keys, name, down = {}, {}, query.orderby.name, query.orderby.down
  for place, row in rows_from(source, setmetatable({ from = 1 }, { __index = query }), at) do
    order[#order + 1], keys[place] = place, key_of(row[name])
  end
  table.sort(order, function(a, b)
    local left, right = keys[a], keys[b]
    if left == right then return a < b end
    return (left < right) == not down
  end)
  local turn = query.from - 1
  return function()
    turn = turn + 1
    if not order[turn] then return nil end
    local _, row = rows_from(source, setmetatable({ from = order[turn] }, { __index = query }), at)()
    return turn, row
  end
end

local function escape(text)
  return (text:gsub("[^%w%-%._~]", function(char) return ("%%%02X"):format(char:byte()) end))
end

local function next_link(ctx, place)
  local names, parts = {}, {}
  for name in pairs(ctx.request.query) do
    if not name:find("skiptoken", 1, true) then names[#names + 1] = name end
  end
  table.sort(names)
  for i, name in ipairs(names) do
    parts[i] = name .. "=" .. escape(ctx.request.query[name])
  end
  parts[#parts + 1] = "$skiptoken=" .. token_of(place)
  return ctx.request.base .. ctx.request.path .. "?" .. table.concat(parts, "&")
end

local function total(source, query, at)
  if source.count and not query.filter and not query.search then return source.count(at) end
  local count = 0
  for _ in rows_from(source, setmetatable({ from = 1 }, { __index = query }), at) do
    count = count + 1
  end
  return count
end

--- The moment whose state the query sees. The advanced engine's index is later still.
local function moment(ctx, query)
  return query.advanced and ctx.at - (ctx.tenant.source.max or 0) or ctx.at
end

--- One page of a list.
---@param ctx emulator.context
---@param type_name string
---@param source emulator.source
---@return integer status, table body
function M.list(ctx, type_name, source)
  local query = M.read(ctx, type_name)
  local at = moment(ctx, query)
  local context = context_of(ctx, ctx.collection or type_name .. "s", query)
  local body = { value = json.array {}, ["@odata.context"] = context }
  if query.count and query.from == 1 then body["@odata.count"] = total(source, query, at) end
  local step = query.orderby and sorted(source, query, at) or rows_from(source, query, at)
  local top = source.single_page and math.huge or query.top
  for place, row in step do
    if #body.value == top then
      body["@odata.nextLink"] = next_link(ctx, place)
      break
    end
    body.value[#body.value + 1] = show(ctx, type_name, source, query, row)
  end
  return 200, body
end

--- The number of rows, as text: /users/$count.
---@param ctx emulator.context
---@param type_name string
---@param source emulator.source
---@return integer status, string body, table headers
function M.count(ctx, type_name, source)
  if (ctx.request.header("consistencylevel") or ""):lower() ~= "eventual" then
    unsupported("$count is only supported with the header 'ConsistencyLevel: eventual'.")
  end
  ctx.request.query["$count"] = "true"
  local query = M.read(ctx, type_name)
  return 200, tostring(total(source, query, moment(ctx, query))), { ["Content-Type"] = "text/plain" }
end

--- One object.
---@param ctx emulator.context
---@param type_name string
---@param row table
---@param source emulator.source? dress and expand
---@param context string? "applications/$entity"
---@return integer status, table body
function M.entity(ctx, type_name, row, source, context)
  source = source or {}
  local query = {
    select = names_of(option(ctx, "select"), type_name),
    expand = expansions(option(ctx, "expand")),
  }
  local body = show(ctx, type_name, source, query, source.dress and source.dress(row) or row)
  body["@odata.context"] = context_of(ctx, context or type_name .. "s/$entity", query)
  return 200, body
end

--- A source over a collection of the tenant.
---@param collection emulator.lag.collection
---@param more table? dress, expand, only: a function of a row; equals: what every row of the list has
---@return emulator.source
function M.source(collection, more)
  more = more or {}
  local source = { dress = more.dress, expand = more.expand, single_page = more.single_page }
  function source.scan(at, from, equals)
    local step = collection:scan(at, from, equals or more.equals)
    if not more.only then return step end
    return function()
      for place, row in step do
        if more.only(row) then return place, row end
      end
    end
  end
  if not more.only then source.count = function(at) return collection:count(at) end end
  return source
end

--- A source over a plain list of rows.
---@param rows table[]
---@param more table? dress, expand, show, mixed
---@return emulator.source
function M.rows(rows, more)
  more = more or {}
  return {
    dress = more.dress, expand = more.expand, show = more.show, mixed = more.mixed, single_page = more.single_page,
    count = function() return #rows end,
    scan = function(_, from)
      local place = from - 1
      return function()
        place = place + 1
        if rows[place] then return place, rows[place] end
      end
    end,
  }
end

--- A source of mixed directory objects from an iterator of ids: place, id.
---@param ctx emulator.context
---@param walk fun(at: number, from: integer): fun(): integer?, string?
---@param only string? a cast: "user"
---@return emulator.source
function M.objects(ctx, walk, only)
  local source = { mixed = true }
  function source.scan(at, from)
    local step = walk(at, from)
    return function()
      for place, id in step do
        local row, type_name = directory.object(ctx.tenant, id, at)
        if row and (not only or type_name == only) then
          return place, setmetatable({ _type = type_name }, { __index = dressed_row(ctx, type_name, row) })
        end
      end
    end
  end
  return source
end

return M
