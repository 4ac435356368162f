---@meta host.devolutions
--- Build requests to Devolutions Server's public API, and judge its answers. Nothing is sent here.

error("this describes a native module for editors and help; it is not to be required")

---@class host.devolutions.failure
---@field kind "refused"|"denied"|"auth"|"missing"|"conflict"|"throttled"|"transient"|"bad_answer"
---@field status integer
---@field message string
---@field retry_after number? whole seconds, from seconds or a date; a year at most

local M = {}
--- Can such a call change anything other than our own session?
---@param method string
---@param path string or a template: "/api/v1/vault/{id}/entry"
---@return boolean
function M.changes(method, path) end
--- Build the request that begins a session with an application identity.
---@param base string "https://dvls.contoso.com/path"
---@param app_key string
---@param app_secret host.secret
---@return host.request
function M.login(base, app_key, app_secret) end
--- Judge the answer to `login`: the credential of the session (header tokenId), for the origin of `base` only.
---@param answer host.answer
---@param base string
---@return host.credential|nil, host.devolutions.failure?
function M.judge_login(answer, base) end
--- Build a request.
---@param base string
---@param method string
---@param path string "/api/v1/vault/{id}/entry": segments escaped (devolutions.segment)
---@param query table<string, string>?
---@param body table?
---@return host.request
function M.request(base, method, path, query, body) end
--- Escape one path segment.
---@param value string
---@return string
function M.segment(value) end
--- Judge an answer. The members of an entry's data that hold secrets become host.secret values.
---@param request host.request
---@param answer host.answer
---@return any|nil value, host.devolutions.failure?
function M.judge(request, answer) end

return M
