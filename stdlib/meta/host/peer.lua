---@meta host.peer
--- Build requests to the services that a profile names as peers, and judge their answers. Nothing is sent here.

error("this describes a native module for editors and help; it is not to be required")

---@class host.peer.failure
---@field kind "refused"|"denied"|"auth"|"missing"|"conflict"|"throttled"|"transient"|"bad_answer"
---@field status integer
---@field message string the service's own words, or what the answer is instead
---@field code string? the service's word for the error: "Conflict", "NotFound"
---@field inner_code string? a closer word, where the service has one (Azure: innererror.code)
---@field retry_after number? whole seconds; a year at most

---@class host.peer.answer
---@field status integer
---@field body any? a table (JSON), a text, or nil when the answer is empty; secrets come as host.secret
---@field headers table<string, string> content-type, date, etag, link, location and www-authenticate, where present

local M = {}
--- Build a request. Raises an error for headers of framing, routing and credentials.
---@param name string of the peer
---@param base string URL of the peer
---@param method "GET"|"POST"|"PATCH"|"PUT"|"DELETE"
---@param path string "/v1/secret/data/app": segments escaped (peer.segment); "/" is the base itself
---@param query table<string, string>?
---@param body table|string|nil a table is sent as JSON, a text as it is
---@param headers table<string, string>?
---@return host.request
function M.request(name, base, method, path, query, body, headers) end
--- Build a request to a peer whose whole address is a secret. Its call is METHOD "/".
---@param name string of the peer
---@param address host.secret
---@param method "GET"|"POST"|"PATCH"|"PUT"|"DELETE"
---@param body table|string|nil
---@param headers table<string, string>?
---@return host.request
function M.request_at(name, address, method, body, headers) end
--- The origin of a secret address; nil and a message when the secret is no URL.
---@param address host.secret
---@return string|nil origin scheme://host:port, string? message
function M.origin(address) end
--- Escape one segment of a path.
---@param value string
---@return string
function M.segment(value) end
--- Make a credential, which the gate attaches as a header to requests to the origin of `base`.
---@param base string URL of the peer
---@param header string "X-Vault-Token"
---@param prefix string "" or "Bearer "
---@param secret host.secret
---@return host.credential
function M.credential(base, header, prefix, secret) end
--- Sign a request with the headers of Standard Webhooks: the HMAC-SHA-256 of id, moment and body.
---@param request host.request
---@param secret host.secret "whsec_" and the key in base64; any other text is the key itself
---@param id string of the message, without "."; the same for each try
---@param timestamp integer seconds since 1970
---@return boolean|nil ok, string? message
function M.sign(request, secret, id, timestamp) end
--- Judge an answer. Texts at the places that the script declares in `answers` become secrets; a secret that was sent
--- with the request is recognised wherever the answer repeats it.
---@param request host.request
---@param answer host.answer
---@return host.peer.answer|nil answer, host.peer.failure?
function M.judge(request, answer) end

return M
