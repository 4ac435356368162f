--- What changed since a moment: /users/delta and /groups/delta (Microsoft Learn: delta-query-overview, user-delta). The
--- first walk gives every object; its last page has a link that asks for the changes since then.

local answer = require "emulator.graph.answer"
local json = require "json"
local query = require "emulator.query"

local M = {}

local LIFETIME = 7 * 86400 -- of a delta link

local function option(ctx, name)
  return ctx.request.query["$" .. name] or ctx.request.query[name]
end

-- A millisecond earlier: what changes in the same moment is told, if need be twice, and not lost.
local function link(ctx, at)
  local select = option(ctx, "select")
  return ("%s%s?%s$deltatoken=%x"):format(ctx.request.base, ctx.request.path,
    select and "$select=" .. select .. "&" or "", math.floor(at * 1000) - 1)
end

-- The moment that a delta link stands for. An old one is refused, and the client starts again.
local function since(ctx, token)
  local at = tonumber(token:match("^%x+$") or "", 16)
  if not at then answer.bad_query("Badly formed token.") end
  if ctx:now() - at / 1000 > LIFETIME then
    answer.refuse(410, "syncStateNotFound", "The sync state generation is not found; a full sync is required.",
      { headers = { Location = ctx.request.base .. ctx.request.path } })
  end
  return at / 1000
end

local function removed(id)
  return { id = id, ["@removed"] = { reason = "deleted" } }
end

-- A change was made since then if the row that was visible then is another one.
local function changes(ctx, type_name, collection, from, dressed)
  local changed = {}
  for id in collection:written() do
    local before, now = collection:get(id, from), collection:get(id, ctx.at)
    if now and now ~= before then
      changed[#changed + 1] = now
    elseif before and not now then
      changed[#changed + 1] = { _removed = id }
    end
  end
  local status, body = query.list(ctx, type_name, query.rows(changed, { single_page = true,
    dress = function(row) return row._removed and row or dressed(row) end,
    show = function(row) return row._removed and removed(row._removed) or nil end }))
  body["@odata.deltaLink"] = link(ctx, ctx.at)
  return status, body
end

-- The id is always there (Microsoft Learn: user-delta).
local function select_id(ctx)
  local select = option(ctx, "select")
  if not select or ("," .. select:lower() .. ","):find(",id,", 1, true) then return end
  ctx.request.query["$select"], ctx.request.query.select = "id," .. select, nil
end

local function delta(type_name, name)
  return function(ctx)
    if option(ctx, "filter") or option(ctx, "orderby") or option(ctx, "search") then
      answer.refuse(400, "Request_UnsupportedQuery", "The query is not supported by delta.")
    end
    select_id(ctx)
    local token, collection = option(ctx, "deltatoken"), ctx.tenant[name]
    ctx.collection = name
    if token == "latest" then
      return 200, { ["@odata.context"] = ctx:context(name), value = json.array {},
        ["@odata.deltaLink"] = link(ctx, ctx.at) }
    end
    local dressed = query.dresser(ctx, type_name)
    if token then return changes(ctx, type_name, collection, since(ctx, token), dressed) end
    local status, body = query.list(ctx, type_name, query.source(collection, { dress = dressed }))
    if not body["@odata.nextLink"] then body["@odata.deltaLink"] = link(ctx, ctx.at) end
    return status, body
  end
end

M.routes = {
  ["GET /users/delta"] = delta("user", "users"),
  ["GET /groups/delta"] = delta("group", "groups"),
}

return M
