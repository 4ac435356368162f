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
---@return integer index of the listener it came in by
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
--- The user of this machine who sent it.
---@return integer|nil uid nil when the kernel does not tell, or no longer: the client closed its end
function Incoming:user() end
--- The body as JSON, well-known secrets lifted.
---@return any|nil value, string? message
function Incoming:json() end
--- The body as a form; client_secret, client_assertion, password, refresh_token, code,
--- device_code and appSecret are secrets.
---@return table<string, string|host.secret>
function Incoming:form() end
--- The query as a table, decoded; the same names are secrets.
---@return table<string, string|host.secret>
function Incoming:arguments() end
--- User and password of an `Authorization: Basic` header, form-decoded as RFC 6749 has it; nil without one.
---@return string|nil user, host.secret? password
function Incoming:basic() end
--- Answer. Raises when it was answered before. A table is encoded as JSON with its secrets in clear.
---@param status integer
---@param headers table<string, string>
---@param body string|table
function Incoming:reply(status, headers, body) end
--- Close the connection without an answer.
function Incoming:drop() end
--- Send the head and only the first `bytes` of the body (half of it without a number;
--- never all), then close. Without a body it drops.
---@param status integer
---@param headers table<string, string>
---@param body string|table
---@param bytes integer?
function Incoming:cut(status, headers, body, bytes) end

---@class host.httpd.server
local Server = {}
--- For one user of this machine: of all others it keeps at most eight connections, the newest, so that they cannot take
--- all descriptors of this process. Before it listens.
---@param user integer
function Server:limit(user) end
--- Listen on a loopback address; port 0 picks one.
---@param host string
---@param port integer
---@param plain boolean? plain HTTP there, though the server has an identity
---@return integer|nil port, integer|string listener_or_message
function Server:listen(host, port, plain) end
--- Block at most `ms`; the requests that came in. May return early with none: after a
--- fifth of a second at the latest, so that an interrupt is noticed.
---@param ms integer
---@return host.httpd.request[]
function Server:poll(ms) end
--- Watch a descriptor (a pipe, a terminal) for its end; what can be read from it is
--- thrown away. A file or /dev/null has ended already.
---@param fd integer
function Server:watch(fd) end
---@return boolean has the watched descriptor ended?
function Server:ended() end
--- How many lines came from the watched descriptor since this was last asked.
---@return integer
function Server:lines() end
--- Open requests are over: their clients see the connection end, and using them raises.
function Server:close() end

local M = {}
--- A new authority and a server certificate of it.
---@return host.httpd.identity
function M.identity() end
--- A server; plain HTTP without an identity.
---@param identity host.httpd.identity?
---@return host.httpd.server
function M.server(identity) end

return M
