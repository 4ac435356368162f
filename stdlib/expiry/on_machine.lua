--- Dates of the profile's own way to sign in: the certificate of the application, and the sign-in that is kept for a
--- person.

local certificate_source = require "oauth.certificate_source"
local fail = require "fail"
local hint = require "log.hint"
local time = require "time"
local token_cache = require "oauth.token_cache"

local M = {}

---@class expiry.unknown what could not be looked at
---@field what string "when a role assignment expires"
---@field why string
---@field fix string?
---@field source string

-- A refresh token that is not used for 90 days expires. The tenant may end it sooner.
-- https://learn.microsoft.com/entra/identity-platform/refresh-tokens
local UNUSED = 90 * 86400

--- Call `fn(...)`; a failure that it raises becomes an entry of `unknown`. Raises other errors, and "interrupted".
---@param unknown expiry.unknown[]
---@param source string
---@param what string what is then unknown
---@param fn function
---@return any
function M.look(unknown, source, what, fn, ...)
  local ok, value = pcall(fn, ...)
  if ok then return value end
  if not fail.is(value) or fail.is(value, "interrupted") then error(value, 0) end
  unknown[#unknown + 1] = { what = what, why = value.why, fix = value.fix, source = source }
end

local function certificate_item(profile)
  local key <close> = certificate_source.read(profile)
  local about = key:describe() or {}
  return {
    key = "sign-in certificate/" .. tostring(about.sha256), kind = "certificate", use = "in use",
    name = profile.sign_in.client_id, detail = "this profile signs in with it", ends = about.not_after,
    source = "machine", app_id = profile.sign_in.client_id, sha256 = about.sha256,
    fix = profile.sign_in.certificate.from == "sealed" and hint.text("Make the next one: {moonlatch} apply "
      .. "setup/rotator")
      or "Make the next one, and add it to the application before that date.",
  }
end

-- Is this certificate on record, so that the journal's own item shows it?
local function is_on_record(item, items)
  for _, other in ipairs(items) do
    if other.kind == "certificate" and other.app_id == item.app_id and other.ends and item.ends
      and math.abs(other.ends - item.ends) < 1 then return true end
  end
  return false
end

local function add_kept_sign_in(items, profile)
  local about = token_cache.about(profile)
  if not about then return end
  items[#items + 1] = {
    key = "sign-in/" .. about.since, kind = "sign-in", use = "kept", name = about.name, source = "machine",
    ends = time.parse(about.renewed) + UNUSED, fix = hint.text "Sign in again: {moonlatch} login",
    detail = "if it is not used before; the tenant may end it sooner",
  }
end

local function add_certificate(items, profile)
  local item = certificate_item(profile)
  if not is_on_record(item, items) then items[#items + 1] = item end
end

--- Add the dates of the sign-in.
---@param items expiry.item[] those of the journal
---@param unknown expiry.unknown[]
---@param profile profile
function M.add(items, unknown, profile)
  if profile.sign_in.method == "certificate" then
    M.look(unknown, "machine", "when the certificate expires that this profile signs in with",
      add_certificate, items, profile)
  end
  if profile.key and token_cache.is_personal(profile) then
    M.look(unknown, "machine", "when the kept sign-in expires", add_kept_sign_in, items, profile)
  end
end

return M
