--- Keep a person's sign-in from one run to the next: the refresh token, sealed.
---
--- A renewal takes a lock between processes, because a refresh token may work only once. The new refresh token is on
--- disk before the access token that came with it is used. When a run is cut off in between, nothing is lost where old
--- refresh tokens stay valid, as at Entra. Where they do not, the answer that never reached the disk is lost, and the
--- next run says so.

local crypto = require "host.crypto"
local fail = require "fail"
local hint = require "log.hint"
local log = require "log"
local path_fix = require "machine.path_fix"
local scheduler = require "task.scheduler"
local sealed_file = require "profile.sealed_file"
local state_folder = require "machine.state_folder"
local sys = require "host.sys"
local task = require "task"
local term = require "host.term"
local time = require "time"

local M = {}

local PATIENCE = 60 -- seconds to wait for another process that is renewing
local PACE = 0.05

-- The methods by which a person signs in. An application signs in anew each time, and is not kept.
local PERSONAL = { device_code = true, browser = true }

-- The errors that only a new sign-in of the person mends. They concern the token, not the network.
local OVER = {
  invalid_grant = true, interaction_required = true, login_required = true, consent_required = true,
  invalid_scope = true,
}

---@class oauth.token_cache.about readable by anybody who may read the file
---@field name string
---@field oid string?
---@field tenant string? GUID
---@field client_id string
---@field since string when the person signed in
---@field renewed string when the kept token came
---@field withheld string? scopes that the sign-in asked for and was not granted

--- Does a person sign in to this profile?
---@param profile profile
---@return boolean
function M.is_personal(profile)
  return PERSONAL[profile.sign_in.method] == true
end

-- The name of the file: one for each client, because a refresh token works for one client only.
local function name_of(profile)
  return "sign-in-" .. crypto.hex(crypto.digest("sha256", profile.sign_in.client_id or "")):sub(1, 16)
end

local function lock_path(profile) return ("%s/%s.lock"):format(profile.state, name_of(profile)) end

local function raise(profile, why, fix)
  fail.raise {
    kind = "config", what = ("keep the sign-in to '%s'"):format(profile.tenant), why = why, fix = fix,
  }
end

local HELD = "Wait until the other process has signed in, or stop it; then run the same command again."

-- Take the lock; wait while another process holds it.
local function take_lock(profile)
  local made, trouble = sys.mkdir(profile.state, true)
  if not made then
    raise(profile, trouble, state_folder.fix(profile.state)
      or path_fix.write(profile.state, "name another folder with `state` in the profile"))
  end
  local ends = time.monotonic() + PATIENCE
  while true do
    local lock, message, kind = sys.lock(lock_path(profile))
    if lock then return lock end
    if kind ~= "held" or time.monotonic() > ends then
      raise(profile, message, kind == "held" and HELD
        or state_folder.fix(profile.state) or path_fix.write(lock_path(profile)))
    end
    if scheduler.current() then task.sleep(PACE) else sys.sleep(math.ceil(PACE * 1000)) end
  end
end

local function write(profile, token, since)
  local claims, now = token.claims or {}, time.iso(time.now())
  sealed_file.write(profile, name_of(profile), {
    name = claims.upn or claims.unique_name or "?", oid = claims.oid, tenant = claims.tid,
    client_id = profile.sign_in.client_id, since = since or now, renewed = now, withheld = token.withheld,
  }, token.refresh_token)
end

---------------------------------------------------------------------------
-- Renewing

local LOST = "an earlier renewal was cut off before its answer was kept, and with it the newest token was lost"

local function error_of(failure)
  return type(failure.cause) == "table" and failure.cause.error or nil
end

-- The sign-in is still valid, but nobody consented to what is asked for now.
local NO_CONSENT = 65001

local function fix_of(failure, cut_off)
  if cut_off then return hint.text "Sign in again: {moonlatch} login." end
  if failure.code == NO_CONSENT then return hint.text "Sign in with what is needed: {moonlatch} login --for SCRIPT." end
  return failure.fix
end

-- Ask the person to sign in again, when one is at the terminal; else raise a failure.
local function give_up(failure, about, cut_off)
  local why = cut_off and ("%s. It said: %s"):format(LOST, failure.why) or failure.why
  if term.is_terminal("in") and term.is_terminal("err") and not log.json() then
    if failure.code == NO_CONSENT then
      return log.note(("The sign-in kept for %s has no consent for all that is read now: sign in once more.")
        :format(about.name))
    end
    return log.warn(("the sign-in kept for %s does not serve any more: %s"):format(about.name, why))
  end
  fail.raise {
    kind = failure.kind, what = ("renew the sign-in kept for %s"):format(about.name), why = why,
    fix = fix_of(failure, cut_off), status = failure.status, code = failure.code, request_id = failure.request_id,
    cause = failure.cause,
  }
end

-- Could an answer with a new token have been lost?
local function may_be_lost(failure)
  return type(failure.cause) == "table" and failure.cause.maybe_sent == true
end

-- Exchange the refresh token. A mark in the file shows when a run was cut off in the exchange. A refusal that only the
-- person can mend is returned; other failures are raised.
local function exchange_marked(lock, exchange, refresh_token, withheld)
  lock:mark()
  local ok, outcome = pcall(exchange, refresh_token, withheld)
  if ok then return outcome end
  if fail.is(outcome) and not may_be_lost(outcome) then lock:unmark() end
  if fail.is(outcome) and OVER[error_of(outcome)] then return nil, outcome end
  error(outcome, 0)
end

local function renew(profile, exchange)
  if not sealed_file.has(profile, name_of(profile)) then return nil end
  local lock <close> = take_lock(profile)
  local refresh_token, about = sealed_file.read(profile, name_of(profile))
  if not refresh_token then return nil end
  local cut_off = lock:marked()
  local token, failure = exchange_marked(lock, exchange, refresh_token, about.withheld)
  refresh_token:close()
  if not token then
    give_up(failure, about, cut_off or may_be_lost(failure))
    return nil, true
  end
  if token.refresh_token then write(profile, token, about.since) end
  lock:unmark()
  return token
end

---------------------------------------------------------------------------
-- Interface

--- The keeper of a profile's sign-in; nil where nothing can be kept. With `fresh`, it takes a new sign-in and keeps it.
--- Without, it renews the kept one, and keeps a new sign-in only in place of that.
---@param profile profile
---@param fresh boolean?
---@return oauth.keeper?
function M.keeper(profile, fresh)
  if not (M.is_personal(profile) and profile.key) then return nil end
  local keeper, name = {}, name_of(profile)

  function keeper.renew(exchange)
    if fresh then return nil end
    return renew(profile, exchange)
  end

  function keeper.keep(token)
    if not (fresh or sealed_file.has(profile, name)) then return end
    local lock <close> = take_lock(profile)
    write(profile, token)
    lock:unmark()
    fresh = false
  end

  return keeper
end

-- Is a sign-in of any client kept? Without one no name is made of a digest: to load OpenSSL's algorithms for the first
-- digest takes a quarter of the prompt's start.
local function is_any_kept(profile)
  for _, name in ipairs(sys.list(profile.state) or {}) do
    if name:find "^sign%-in%-" then return true end
  end
  return false
end

--- Whose sign-in is kept, as the file says; nil when none is.
---@param profile profile
---@return oauth.token_cache.about|nil
function M.about(profile)
  if not is_any_kept(profile) then return nil end
  return sealed_file.about(profile, name_of(profile))
end

--- The path of the file.
---@param profile profile
---@return string
function M.path(profile) return sealed_file.path(profile, name_of(profile)) end

--- Forget the kept sign-in. Returns whose it was; nil when none was kept.
---@param profile profile
---@return oauth.token_cache.about|nil
function M.forget(profile)
  if not sealed_file.has(profile, name_of(profile)) then return nil end
  local lock <close> = take_lock(profile)
  local _, about = pcall(M.about, profile)
  sealed_file.remove(profile, name_of(profile))
  lock:unmark()
  return type(about) == "table" and not fail.is(about) and about or { name = "?" }
end

return M
