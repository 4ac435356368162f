---@meta host.gate
--- The one door to the network.

error("this describes a native module for editors and help; it is not to be required")

---@class host.gate.transfer
local Transfer = {}
--- The answer; or nil, message, kind, maybe_sent (may the far side have acted on it?).
--- Kinds: "journal", "dns", "connect", "tls", "certificate", "timeout", "cut", "too_large", "hostile", "memory",
--- and "closed" when the door was closed before. Raises while it is not finished.
---@return host.answer|nil answer, string? message, string? kind, boolean? maybe_sent
function Transfer:answer() end
--- Abandon it, or free it. Idempotent.
function Transfer:close() end

---@class host.gate.door
local Door = {}
--- Name a peer: requests to it must match this origin and lie below this path. A real
--- door leads to nothing on this machine, an emulator's to nothing else: judged here by
--- the name, and again by the address it resolves to. "identity", where managed identities
--- are had, is on this machine or its link (169.254.*.*), may be plain HTTP, and is never
--- behind a proxy.
---@param name "login"|"graph"|"devolutions"|"identity"
---@param base string URL; the path is what call templates are relative to
---@param ca string? PEM file that replaces the system's roots for this peer
---@param proxy string? "http://host:port"; proxies in the environment are ignored
---@param lenient boolean? take certificates that break RFC 5280's rules of form (no key usage in
--- an authority's, no key identifiers, …), as home-made authorities' do; all else is checked as ever
---@return boolean|nil ok, string? message
function Door:peer(name, base, ca, proxy, lenient) end
--- Declare a call. `template` as in needs: "/applications/{id}/addPassword",
--- "/applications(uniqueName)", "/users/*" for all below, "/*" for all. `members` limits a
--- body to these top-level members.
---@param peer string
---@param method string
---@param template string
---@param members string? comma-separated
function Door:allow(peer, method, template, members) end
--- May undeclared or changing calls be sent at all? "declared" (the default): only
--- declared calls. "read": any call that changes nothing. "write": any call.
---@param mode "declared"|"read"|"write"
function Door:mode(mode) end
--- Let changes at Graph leave no faster than so many in so many seconds, one at a time,
--- counted over all processes that use this file. With an emulator's clock its time counts.
---@param path string
---@param count number
---@param seconds number
---@param clock host.sys.clock?
---@return boolean|nil ok, string? message
function Door:budget(path, count, seconds, clock) end
--- The budget: changes a second, and seconds of changes of all processes that wait their turn; nothing without one.
---@return number? rate, number? ahead
function Door:pace() end
--- Queue a request. What changes something is put in the journal (audit) here and
--- leaves only after flush has made that durable.
--- Refusals (kind): "undeclared", "peer", "credential" (another origin), "closed", "journal", "memory", and
--- "budget": nothing is on record; the request has its place in the queue, and is to be
--- submitted again in `wait` seconds.
---@param request host.request
---@param credential host.credential?
---@param timeout number seconds, at most 3600, from the moment it is sent
---@param note string? what this is for ("setup/entra-pam-provider, step 'Client secret', intent …")
---@return host.gate.transfer|nil transfer, string? message, string? kind, number? wait
function Door:submit(request, credential, timeout, note) end
--- Commit the journal, then start what is queued. When the journal cannot be
--- written, nothing queued that changes something is sent: those transfers finish with kind "journal".
---@return integer started
function Door:flush() end
--- Flush, then block at most `ms` for transfers to finish.
---@param ms integer
---@return host.gate.transfer[]
function Door:poll(ms) end
---@return integer queued or in flight
function Door:running() end
function Door:close() end

local M = {}
--- A door that leads nowhere yet: name its peers and calls.
---@param kind "real"|"emulator"
---@param journal host.journal.journal? required for anything that changes something
---@return host.gate.door
function M.door(kind, journal) end
--- An answer made of given bytes: for the tests' door and for replay.
---@param status integer
---@param headers table<string, string>
---@param body string
---@return host.answer
function M.answer(status, headers, body) end

return M
