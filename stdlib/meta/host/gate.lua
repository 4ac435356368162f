---@meta host.gate
--- The gate: every request to a service, every program and every file of a script passes a door that this module opens.

error("this describes a native module for editors and help; it is not to be required")

---@class host.gate.transfer
local Transfer = {}
--- The answer; or nil, message, kind, and whether the service may have acted on the request (maybe_sent). Kinds:
--- "journal", "dns", "connect", "tls", "certificate", "timeout", "cut", "too_large", "hostile", "memory", and "closed"
--- when the door was closed before. Raises while the transfer is not finished.
---@return host.answer|nil answer, string? message, string? kind, boolean? maybe_sent
function Transfer:answer() end
--- Abandon the transfer, or free it. Idempotent.
function Transfer:close() end

---@class host.gate.rights what the code of one script may do, at the door that made them
local Rights = {}
--- Allow a call. `template` is a path as in `needs`: "/applications/{id}/addPassword", "/v1/{path+}" for one segment or
--- more, "/applications(uniqueName)", "/users/*" for all paths below, "/*" for all paths. Lists are separated by
--- commas. `members` limits the body to these top-level members; `secrets` are the places in the body that may hold a
--- secret ("data.password", "data.*"); `answers` are the places in the answer whose values become secrets. Raises once
--- the door is sealed.
---@param peer string
---@param method string
---@param template string
---@param members string?
---@param secrets string?
---@param answers string?
function Rights:allow(peer, method, template, members, secrets, answers) end
--- Allow the door's program of this name. Raises once the door is sealed.
---@param name string
function Rights:program(name) end
--- Allow the door's folder of this name. Raises once the door is sealed.
---@param name string
function Rights:folder(name) end
--- Make rights that allow what these rights allow, except changes: no change at a service, no program, no writing of
--- files. Also possible once the door is sealed.
---@param mode "read"
---@return host.gate.rights
function Rights:narrow(mode) end
--- The owner, as given to door:rights.
---@return string
function Rights:owner() end
--- Let these rights, and all rights that were narrowed from them, allow nothing any more. Idempotent.
function Rights:close() end

---@class host.gate.door
local Door = {}
--- Name a peer. Requests to the peer must have this origin, and a path below this path. A door of kind "real" never
--- leads to this machine, and a door of kind "emulator" leads to this machine only: the host name is checked here, and
--- its resolved address again when a connection is made. "identity", the endpoint of managed identities, is on this
--- machine or on its link (169.254.*.*), may be plain HTTP, and is never reached through a proxy. Raises once the door
--- is sealed.
---@param name string "login", "graph", "devolutions", "identity", or a peer of the profile
---@param base string URL; call templates are relative to its path
---@param ca string? PEM file that replaces the system's roots for this peer
---@param proxy string? "http://host:port"; proxies in the environment are ignored
---@param lenient boolean? accept certificates that break the formal rules of RFC 5280 (an authority without key usage,
--- missing key identifiers, …), as home-made authorities issue them; everything else is checked
---@param is_local boolean? it is a program on this machine, which a real door reaches for such a peer only
---@return boolean|nil ok, string? message
function Door:peer(name, base, ca, proxy, lenient, is_local) end
--- Name a peer whose whole address is a secret. Its only calls are METHOD "/", and no text shows more than its origin.
--- The other arguments are as for `peer`. Raises once the door is sealed.
---@param name string
---@param address host.secret "https://HOST/PATH?QUERY"
---@param ca string?
---@param proxy string?
---@param lenient boolean?
---@param is_local boolean?
---@return boolean|nil ok, string? message
function Door:secret_peer(name, address, ca, proxy, lenient, is_local) end
--- Set the name and password for the proxy of all peers. They go to the proxy only, with the scheme Basic (RFC 7617).
--- Raises once the door is sealed.
---@param user string without ":"
---@param password host.secret
function Door:proxy_login(user, password) end
--- Name a program. Raises once the door is sealed.
---@param name string letters, digits, "-" and "_"
---@param words string[] its absolute path and first arguments, at most 64
function Door:program(name, words) end
--- Name a folder. Raises once the door is sealed.
---@param name string letters, digits, "-" and "_"
---@param path string absolute
function Door:folder(name, path) end
--- Make the rights of one script. "declared" (the default): only declared calls, programs and folders. "read": any call
--- that changes nothing, no program and no file. "write": everything that the door leads to. Raises once the door is
--- sealed.
---@param owner string the script's file, for messages and the record
---@param mode "declared"|"read"|"write"|nil
---@return host.gate.rights
function Door:rights(owner, mode) end
--- Seal the door: peers, programs, folders, budget and rights are final from now on, and rights can only be narrowed.
--- Nothing passes the door before it is sealed. Idempotent.
function Door:seal() end
--- Set the write budget: at most `count` changes at Graph leave in `seconds` seconds, one at a time, counted over all
--- processes that use this file. With an emulator's clock, the emulator's time counts. Raises once the door is sealed.
---@param path string
---@param count number
---@param seconds number
---@param clock host.sys.clock?
---@return boolean|nil ok, string? message
function Door:budget(path, count, seconds, clock) end
--- The write budget: changes a second, and the seconds until a new change of any process would have its turn; nothing
--- when there is no budget.
---@return number? rate, number? ahead
function Door:pace() end
--- Queue a request. A request that changes something is recorded in the journal (audit) here, and leaves only after
--- `flush` has made the record durable. Kinds of refusal: "undeclared", "peer", "credential" (for another origin),
--- "closed", "journal", "memory", and "budget": then nothing is on record, the request keeps its place in the queue of
--- the budget, and the caller submits it again after `wait` seconds.
---@param request host.request
---@param credential host.credential?
---@param rights host.gate.rights made by this door; those of the script that the request is for
---@param timeout number seconds, at most 3600, from the moment the request is sent
---@param note string? the purpose of the request ("setup/entra-pam-provider, step 'Client secret', intent …")
---@return host.gate.transfer|nil transfer, string? message, string? kind, number? wait
function Door:submit(request, credential, rights, timeout, note) end
--- Run a program, after its start is on record and durable (audit "run.start"). Kinds: "undeclared", "missing" (the
--- door has no program of that name), "journal", "start".
---@param rights host.gate.rights
---@param name string
---@param arguments string[] added after the arguments that were given with the name
---@param input host.secret|string|nil at most 64 KiB
---@param note string?
---@return host.process.child|nil child, string id_or_message, string? kind
function Door:run(rights, name, arguments, input, note) end
--- Put on record how a program ended (audit "run.done", or "run.failed" for a status other than 0).
---@param id string as `run` returned it
---@param status integer
---@return boolean|nil ok, string? message
function Door:ran(id, status) end
--- Write a whole file with mode 0600. An existing file of that name is replaced; no link is followed. A file that holds
--- a secret is put on record durably first (audit "file.write"). Kinds: "undeclared", "missing" (the door has no folder
--- of that name), "journal", "io".
---@param rights host.gate.rights
---@param folder string
---@param name string without a slash, not beginning with a dot
---@param content string|host.secret
---@param note string?
---@return boolean|nil ok, string? message, string? kind
function Door:write(rights, folder, name, content, note) end
--- Read a whole file, at most 16 MiB. Kinds: those of `write`, and "absent".
---@param rights host.gate.rights
---@param folder string
---@param name string
---@return string|nil content, string? message, string? kind
function Door:read(rights, folder, name) end
--- The names of the plain files in a folder, sorted. Kinds: those of `write`.
---@param rights host.gate.rights
---@param folder string
---@return string[]|nil names, string? message, string? kind
function Door:list(rights, folder) end
--- Commit the journal, then start the queued requests. When the journal cannot be written, the queued requests that
--- change something are not sent: their transfers finish with kind "journal".
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
--- Open a door that leads nowhere yet. The caller names its peers, programs and folders, makes the rights, and seals
--- it.
---@param kind "real"|"emulator"
---@param journal host.journal.journal? required for requests that change something
---@return host.gate.door
function M.door(kind, journal) end
--- Is the text the path of a call as in `needs`: "/users/{id}", "/v1/{mount}/data/{path+}", "/applications(appId)",
--- "/users/*"?
---@param text string
---@return boolean|nil ok, string? why
function M.template(text) end
--- Make an answer from bytes, for the door of the tests.
---@param status integer
---@param headers table<string, string>
---@param body string
---@return host.answer
function M.answer(status, headers, body) end

return M
