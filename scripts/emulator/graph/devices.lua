--- /devices, and the devices of a user (Microsoft Learn: device-list, user-list-owneddevices).

local answer = require "emulator.graph.answer"
local applications = require "emulator.graph.applications"
local query = require "emulator.query"
local users = require "emulator.graph.users"

local M = {}

local function source(ctx) return query.source(ctx.tenant.devices) end

local function list(ctx) return query.list(ctx, "device", source(ctx)) end

local function count(ctx) return query.count(ctx, "device", source(ctx)) end

-- A device is named by its object id, or as (deviceId='…').
local function find(ctx, key)
  local id = type(key) == "table" and key.deviceId or key
  local row = type(id) == "string" and ctx.tenant.devices:find(function(one)
    return one[type(key) == "table" and "deviceId" or "id"] == id:lower()
  end, ctx.at)
  return row or answer.missing(id)
end

local function get(ctx, key) return query.entity(ctx, "device", find(ctx, key)) end

local function owners(ctx, key) return applications.list_objects(ctx, { find(ctx, key)._owner }) end

local function of_user(ctx, key)
  local user, ids = users.find(ctx, key), {}
  for _, row in ctx.tenant.devices:scan(ctx.at) do
    if row._owner == user.id then ids[#ids + 1] = row.id end
  end
  return applications.list_objects(ctx, ids)
end

M.routes = {
  ["GET /devices"] = list,
  ["GET /devices/$count"] = count,
  ["GET /devices/{id}"] = get,
  ["GET /devices/{id}/registeredOwners"] = owners,
  ["GET /users/{id}/ownedDevices"] = of_user,
}

return M
