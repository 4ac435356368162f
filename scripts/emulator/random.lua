--- Values that look random, are computed from a seed, and can be inverted: object n of a kind always has the same GUID,
--- and the GUID gives n.

local crypto = require "base.crypto"

local M = {}

local ODD = 0x9E3779B1 -- multiplying by it permutes 32 bits
local UNDO = 1
for _ = 1, 5 do
  UNDO = (UNDO * (2 - ODD * UNDO)) & 0xFFFFFFFF -- Newton's step; each doubles the right bits
end

--- Spread a number over 64 bits (the finaliser of splitmix64).
---@param value integer
---@return integer
function M.mix(value)
  value = value + 0x9E3779B97F4A7C15
  value = (value ~ (value >> 30)) * 0xBF58476D1CE4E5B9
  value = (value ~ (value >> 27)) * 0x94D049BB133111EB
  return value ~ (value >> 31)
end

local mix = M.mix

local keys = {} -- by kind and seed; a million rows ask for the same few

local function key_of(seed, kind)
  local of_kind = keys[kind] or {}
  keys[kind] = of_kind
  local hash = of_kind[seed]
  if hash then return hash end
  hash = mix(seed)
  for i = 1, #kind do
    hash = mix(hash ~ kind:byte(i))
  end
  of_kind[seed] = hash
  return hash
end

--- A number in [0, 1), computed from the seed, the kind and n.
---@param seed integer
---@param kind string
---@param n integer
---@return number
function M.fraction(seed, kind, n)
  return (mix(key_of(seed, kind) + n) >> 11) / (1 << 53)
end

--- An element of a list, chosen in the same way.
---@param list any[]
---@param seed integer
---@param kind string
---@param n integer
---@return any
function M.pick(list, seed, kind, n)
  return list[1 + (mix(key_of(seed, kind) + n) >> 33) % #list]
end

--- The GUID of object n of a kind; n below 2^32.
---@param seed integer
---@param kind string
---@param n integer
---@return string
function M.guid(seed, kind, n)
  local key = key_of(seed, kind)
  local head = ((n * ODD) ~ key) & 0xFFFFFFFF
  local a = mix(key + n)
  local b = mix(a)
  return ("%08x-%04x-4%03x-%x%03x-%012x"):format(head, a & 0xFFFF, (a >> 16) & 0xFFF, 8 + ((a >> 28) & 3),
    (a >> 32) & 0xFFF, b & 0xFFFFFFFFFFFF)
end

--- The id of object n of a kind as Entra makes ids of assignments and grants: 43 letters of base64url, which may begin
--- with "-" (recorded 2020 and 2024; Microsoft Learn: approleassignment). n below 2^32.
---@param seed integer
---@param kind string
---@param n integer
---@return string
function M.long_id(seed, kind, n)
  local key = key_of(seed, kind)
  local a = mix(key + n)
  local b = mix(a)
  local c = mix(b)
  return crypto.base64url((">I4i8i8i8I4"):pack(((n * ODD) ~ key) & 0xFFFFFFFF, a, b, c, mix(c) & 0xFFFFFFFF))
end

--- The number of the object that has this id of 43 letters; nil when none has it.
---@param seed integer
---@param kind string
---@param id string
---@return integer?
function M.long_number(seed, kind, id)
  local bytes = #tostring(id) == 43 and crypto.unbase64(id)
  if not bytes then return nil end
  local n = (((">I4"):unpack(bytes) ~ key_of(seed, kind)) * UNDO) & 0xFFFFFFFF
  return M.long_id(seed, kind, n) == id and n or nil
end

--- The number of the object that has this GUID; nil when none has it.
---@param seed integer
---@param kind string
---@param guid string
---@return integer?
function M.number(seed, kind, guid)
  local head = tostring(guid):match("^(%x%x%x%x%x%x%x%x)%-")
  if not head then return nil end
  local n = ((tonumber(head, 16) ~ key_of(seed, kind)) * UNDO) & 0xFFFFFFFF
  return M.guid(seed, kind, n) == guid:lower() and n or nil
end

return M
