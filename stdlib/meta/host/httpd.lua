---@meta host.httpd
--- A small HTTPS server on loopback, for the emulator and the OAuth redirect.

error("this describes a native module for editors and help; it is not to be required")

--- A certificate authority constrained to loopback, and a server certificate of it; keys only in memory.
---@class host.httpd.identity
local Identity = {}
---@return string PEM of the authority
function Identity:ca() end

---@class host.httpd.request
local Incoming = {}
---@return integer index of the listener that the request came in by
function Incoming:listener() end
---@return string
function Incoming:method() end
---@return string path as sent, still percent-encoded, without the query
function Incoming:path() end
---@return string query without "?"; "" when none
function Incoming:query() end
---@param name string
---@return string|nil
function Incoming:header(name) end
---@return string
function Incoming:body() end
---@return integer bytes of the body
function Incoming:size() end
--- The user of this machine who sent the request.
---@return integer|nil uid nil when the user is unknown to the kernel, as after the client has closed the connection
function Incoming:user() end
--- The body as decoded JSON. The values of well-known secret members become host.secret values.
---@return any|nil value, string? message
function Incoming:json() end
--- The body as a form; client_secret, client_assertion, password, refresh_token, code,
--- device_code and appSecret are secrets.
---@return table<string, string|host.secret>
function Incoming:form() end
--- The query as a table, decoded; the same names are secrets.
---@return table<string, string|host.secret>
function Incoming:arguments() end
--- User and password of an `Authorization: Basic` header, form-decoded as in RFC 6749; nil without such a header.
---@return string|nil user, host.secret? password
function Incoming:basic() end
--- Answer the request. Raises when the request was answered before. A table is encoded as JSON, with its secrets in
--- clear text.
---@param status integer
---@param headers table<string, string>
---@param body string|table
function Incoming:reply(status, headers, body) end
--- Close the connection without an answer.
function Incoming:drop() end
--- Send the head and the first `bytes` of the body (without a number: half of the body; never the whole body), then
--- close the connection. Without a body, close the connection without an answer.
---@param status integer
---@param headers table<string, string>
---@param body string|table
---@param bytes integer?
function Incoming:cut(status, headers, body, bytes) end

---@class host.httpd.server
local Server = {}
--- Limit the connections of other users of this machine: the server keeps their newest eight connections, so that they
--- cannot take all descriptors of this process. Call this before `listen`.
---@param user integer
function Server:limit(user) end
--- Listen on a loopback address; port 0 picks one.
---@param host string
---@param port integer
---@param plain boolean? plain HTTP on this port, although the server has an identity
---@return integer|nil port, integer|string listener_or_message, "address"|"port"|nil kind
function Server:listen(host, port, plain) end
--- Wait for requests, at most `ms` milliseconds. May return early without a request, after a fifth of a second at the
--- latest, so that an interrupt is noticed.
---@param ms integer
---@return host.httpd.request[]
function Server:poll(ms) end
--- Watch a file descriptor (a pipe, a terminal) for its end. The data that it delivers is dropped. A file and /dev/null
--- have ended already.
---@param fd integer
function Server:watch(fd) end
---@return boolean has the watched descriptor ended?
function Server:ended() end
--- The number of lines that came from the watched descriptor since the last call of this function.
---@return integer
function Server:lines() end
--- Close the server. The connections of open requests are closed, and using these requests raises an error.
function Server:close() end

local M = {}
--- Make a certificate authority and a server certificate.
---@return host.httpd.identity
function M.identity() end
--- Make a server. Without an identity it serves plain HTTP.
---@param identity host.httpd.identity?
---@return host.httpd.server
function M.server(identity) end

return M
