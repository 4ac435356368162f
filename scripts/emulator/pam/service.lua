--- The service that uses the client secret: it takes tasks, signs in with the secret of the provider, and sets
--- passwords at Graph.
---
--- Assumptions, because no page tells: a failed task is not tried again; the rotation policy counts from the last task,
--- and an entry has one task at a time; a token is used until it expires.

local inside = require "emulator.inside"
local secret = require "secret.emulator"
local time = require "time"

local M = {}

local PASSWORD = 24 -- characters

---------------------------------------------------------------------------
-- Requests

--- The secret of a provider: the pasted one, or the value in the entry that it is linked to.
---@param provider table
---@return host.secret?
function M:secret_of(provider)
  if provider.linked then return self.linked(provider.linked) end
  return provider.secret
end

--- Sign in with the secret of a provider.
---@param provider table
---@param address string? by default the service's
---@return { token: string, ends: number }|nil token, string? message
function M:sign_in(provider, address)
  return inside.sign_in(self.ask, { tenant = provider.tenant, client_id = provider.client_id,
    client_secret = self:secret_of(provider), address = address or self.flags.address })
end

local function token_of(self, provider)
  local known = self.tokens[provider.name]
  if known and known.ends > time.now() then return known end
  local token, message = self:sign_in(provider)
  self.tokens[provider.name] = token
  return token, message
end

local function graph(self, token, method, path, body)
  local status, answer = self.ask("graph", inside.request(method, "/v1.0" .. path, { body = body,
    address = self.flags.address, headers = { authorization = "Bearer " .. token.token } }))
  if status < 300 then return true end
  return nil, ("%d %s: %s"):format(status, answer.error.code, answer.error.message)
end

--- The button Test connection: a sign-in, and more by the flags.
---@param provider table
---@return { ok: boolean, message: string }
function M:try_provider(provider)
  if self.flags.test_needs_service and not self:worker() then
    return { ok = false, message = "no PAM service answers" }
  end
  local token, message = self:sign_in(provider, self.flags.test_address or nil)
  local ok = token ~= nil
  if token and self.flags.test_asks_graph then ok, message = graph(self, token, "GET", "/users") end
  return { ok = ok == true, message = message or "Connection succeeded." }
end

---------------------------------------------------------------------------
-- Tasks

--- Make a task that resets an account's password.
---@param account table
---@param now number
---@return integer number
function M:new_task(account, now)
  local number = #self.tasks + 1
  self.tasks[number] = { number = number, entry = account.username, provider = account.provider, status = "Pending",
    created = time.iso(now) }
  account.task, account.since = number, now
  return number
end

local function reset(self, account)
  local provider = self.providers[account.provider]
  if not provider then return nil, ("there is no provider '%s'"):format(account.provider) end
  local token, message = token_of(self, provider)
  if not token then return nil, message end
  local path = "/users/" .. account.username:gsub("#", "%%23")
  local ok = true
  if self.flags.reads_user_first then ok, message = graph(self, token, "GET", path) end
  if not ok then return nil, message end
  local value = secret.generate(PASSWORD)
  ok, message = graph(self, token, "PATCH", path,
    { passwordProfile = { password = value, forceChangePasswordNextSignIn = false } })
  if ok then account.password = value end
  return ok, message
end

local function work(self, account, now)
  local task = self.tasks[account.task]
  local ok, message = reset(self, account)
  account.task, account.due = nil, account.every and now + account.every
  task.status, task.message, task.ended = ok and "Completed" or "Failed", message, time.iso(now)
end

---------------------------------------------------------------------------
-- Time

-- The service's next look for tasks at or after a moment.
local function next_look(self, moment)
  return math.ceil(moment / self.flags.poll) * self.flags.poll
end

-- The next act for an account and its moment: a task is worked on, or one becomes due.
local function next_of(self, account)
  if account.task then
    return self:worker(account.vault) and next_look(self, math.max(account.since, self.seen)) or nil, work
  end
  return account.due, M.new_task
end

-- A service without work signs in now and then, if the flag says so.
local function heartbeat(self)
  local every = self.flags.heartbeat
  if not every or not self:worker() then return nil end
  local moment = (self.beaten or self.seen) + every
  return moment, function()
    self.beaten = moment
    for _, provider in pairs(self.providers) do self:sign_in(provider) end
  end
end

--- The next act by itself; see emulator.schedule.
---@return number moment, function? act, table? account
function M:next_act()
  local moment, act, whose = math.huge, nil, nil
  local beat, sign_in = heartbeat(self)
  if beat then moment, act = beat, sign_in end
  for _, account in pairs(self.accounts) do
    local at, what = next_of(self, account)
    local earlier = at and (at < moment or at == moment and whose and account.username < whose.username)
    if earlier then moment, act, whose = at, what, account end
  end
  return moment, act, whose
end

return M
