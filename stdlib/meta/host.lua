---@meta host
--- The native modules. meta/host/NAME.lua describes host.NAME. Their functions take positional arguments; the modules
--- in stdlib/ that scripts require take options tables. Times are seconds since 1970 (number) unless a name says
--- otherwise. A function that may fail returns `nil, message`, and a third value, the kind, where a caller has to
--- branch. This file describes the classes that several modules use: requests, answers and credentials. The protocol
--- modules make them, and the gate sends them.

error("this describes the native modules for editors and help; it is not to be required")

---@class host.request
local Request = {}
---@return string
function Request:method() end
--- Scheme, host, port, path and query; secrets redacted.
---@return string
function Request:url() end
---@return string "login", "graph", "devolutions", "identity" or the name of a peer
function Request:peer() end
--- May the request change something?
---@return boolean
function Request:changes() end
--- Is sending the request twice harmless?
---@return boolean
function Request:repeatable() end
--- The results of `changes` and `repeatable` in one call.
---@return boolean changes, boolean repeatable
function Request:traits() end
--- Set whether sending the request twice is harmless. The protocol modules set this; a caller that knows better may
--- change it.
---@param yes boolean
function Request:set_repeatable(yes) end
--- Send the request on a new connection.
function Request:set_fresh() end
--- The body as text for a person, with masked secrets; nil when there is no body.
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
