---@meta host
--- The native modules, each described in meta/host/ under its name. Arguments are
--- positional here; the comfortable modules of the plain names stand in stdlib/.
--- Times are seconds since 1970 (number) unless a name says otherwise. An operation
--- that may fail returns `nil, message`, and where a caller has to branch, a third
--- value, the kind. Below is what several of them share: requests, answers and
--- credentials, made by the protocol modules, sent by the gate.

error("this describes the native modules for editors and help; it is not to be required")

---@class host.request
local Request = {}
---@return string
function Request:method() end
--- Scheme, host, port, path and query; secrets redacted.
---@return string
function Request:url() end
---@return string "login", "graph", "devolutions" or "identity"
function Request:peer() end
--- May something be different after it?
---@return boolean
function Request:changes() end
--- Does sending it twice no harm?
---@return boolean
function Request:repeatable() end
--- Both of these, for who asks for each request.
---@return boolean changes, boolean repeatable
function Request:traits() end
--- Mark whether sending it twice does no harm (protocol modules decide; this is for what only the caller knows).
---@param yes boolean
function Request:set_repeatable(yes) end
--- Send it on a connection of its own.
function Request:set_fresh() end
--- The body as text a person may see: secrets masked. nil when there is none.
---@return string|nil
function Request:body() end

---@class host.answer
local Answer = {}
---@return integer
function Answer:status() end
---@param name string in lower case
---@return string|nil
function Answer:header(name) end
--- The bytes of the body, decompressed.
---@return integer
function Answer:size() end
--- The body as JSON, decoded like by host.json: secrets come as secrets. For recordings; a protocol module judges it.
---@return any|nil value, string? message
function Answer:json() end
function Answer:close() end

---@class host.credential opaque; goes only to the origin it was made for
local Credential = {}
---@return string origin scheme://host:port
function Credential:origin() end
function Credential:close() end
