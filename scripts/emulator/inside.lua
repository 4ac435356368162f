--- Requests from programs that the emulator plays itself, in the form in which a socket brings them.

local time = require "time"

local M = {}

---@class emulator.inside.more
---@field address string where it comes from
---@field headers table<string, string>? names in lower case
---@field form table?
---@field body table?

--- A request.
---@param method string
---@param path string
---@param more emulator.inside.more
---@return table
function M.request(method, path, more)
  local headers = more.headers or {}
  return {
    method = method, path = path, query = {}, text = "", size = 0, base = "https://graph.microsoft.com",
    address = more.address, body = more.body, header = function(name) return headers[name:lower()] end,
    form = function() return more.form end, basic = function() end,
  }
end

---@class emulator.inside.client
---@field tenant string
---@field client_id string
---@field client_secret host.secret?
---@field address string

--- Sign in to Graph with a client secret.
---@param ask fun(peer: "login"|"graph", request: table): integer, table
---@param client emulator.inside.client
---@return { token: string, ends: number }|nil token, string? message
function M.sign_in(ask, client)
  local path = ("/%s/oauth2/v2.0/token"):format(client.tenant)
  local status, body = ask("login", M.request("POST", path, { address = client.address, form = {
    grant_type = "client_credentials", client_id = client.client_id, client_secret = client.client_secret,
    scope = "https://graph.microsoft.com/.default",
  } }))
  if status ~= 200 then return nil, (body.error_description or body.error or "no answer"):match "^[^\r\n]*" end
  return { token = body.access_token, ends = time.now() + body.expires_in }
end

return M
