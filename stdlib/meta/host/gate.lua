---@meta host.gate
--- The one door to what is outside: services, programs, files.

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

---@class host.gate.rights what the code of one script may do, at the door that made them
local Rights = {}
--- Declare a call. `template` as in needs: "/applications/{id}/addPassword", "/v1/{path+}" for one segment or more,
--- "/applications(uniqueName)", "/users/*" for all below, "/*" for all. Lists are separated by commas. `members` limits
--- a body to these top-level members; `secrets` are places in the body that may hold a secret ("data.password",
--- "data.*"), `answers` places in the answer that come back as secrets. Raises once the door is sealed.
---@param peer string
---@param method string
---@param template string
---@param members string?
---@param secrets string?
---@param answers string?
function Rights:allow(peer, method, template, members, secrets, answers) end
--- Let it run the door's program of this name. Raises once the door is sealed.
---@param name string
function Rights:program(name) end
--- Let it use the door's folder of this name. Raises once the door is sealed.
---@param name string
function Rights:folder(name) end
--- Rights that allow what these allow as long as nothing is changed by it: no change at a service, no program, no
--- file written. Also once the door is sealed.
---@param mode "read"
---@return host.gate.rights
function Rights:narrow(mode) end
--- Whose they are, as door:rights was told.
---@return string
function Rights:owner() end
--- They, and what was narrowed from them, allow nothing any more. Idempotent.
function Rights:close() end

---@class host.gate.door
local Door = {}
--- Name a peer: requests to it must match this origin and lie below this path. A real
--- door leads to nothing on this machine, an emulator's to nothing else: judged here by
--- the name, and again by the address it resolves to. "identity", where managed identities
--- are had, is on this machine or its link (169.254.*.*), may be plain HTTP, and is never
--- behind a proxy. Raises once the door is sealed.
---@param name "login"|"graph"|"devolutions"|"identity"
---@param base string URL; the path is what call templates are relative to
---@param ca string? PEM file that replaces the system's roots for this peer
---@param proxy string? "http://host:port"; proxies in the environment are ignored
---@param lenient boolean? take certificates that break RFC 5280's rules of form (no key usage in
--- an authority's, no key identifiers, …), as home-made authorities' do; all else is checked as ever
---@return boolean|nil ok, string? message
function Door:peer(name, base, ca, proxy, lenient) end
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
--- Rights for one script. "declared" (the default): only what is declared. "read": any call that changes nothing, no
--- program and no file. "write": anything the door leads to. Raises once the door is sealed.
---@param owner string the script's file, for messages and the record
---@param mode "declared"|"read"|"write"|nil
---@return host.gate.rights
function Door:rights(owner, mode) end
--- From now on peers, programs, folders, budget and rights are final; rights can only be narrowed. Nothing passes
--- before. Idempotent.
function Door:seal() end
--- Let changes at Graph leave no faster than so many in so many seconds, one at a time,
--- counted over all processes that use this file. With an emulator's clock its time counts. Raises once the door is
--- sealed.
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
---@param rights host.gate.rights of this door; of the script that it is for
---@param timeout number seconds, at most 3600, from the moment it is sent
---@param note string? what this is for ("setup/entra-pam-provider, step 'Client secret', intent …")
---@return host.gate.transfer|nil transfer, string? message, string? kind, number? wait
function Door:submit(request, credential, rights, timeout, note) end
--- Run a program, once that is on record and durable (audit "run.start"). Kinds: "undeclared", "missing" (the door has
--- none of that name), "journal", "start".
---@param rights host.gate.rights
---@param name string
---@param arguments string[] after those that belong to the name
---@param input host.secret|string|nil at most 64 KiB
---@param note string?
---@return host.process.child|nil child, string id_or_message, string? kind
function Door:run(rights, name, arguments, input, note) end
--- Put on record how a program ended (audit "run.done", or "run.failed" for a status other than 0).
---@param id string as `run` gave it
---@param status integer
---@return boolean|nil ok, string? message
function Door:ran(id, status) end
--- Write a file whole, mode 0600, replacing one of that name; no link is followed. One that holds a secret is on record
--- and durable first (audit "file.write"). Kinds: "undeclared", "missing" (the door has no folder of that name),
--- "journal", "io".
---@param rights host.gate.rights
---@param folder string
---@param name string plain: no slash, no dot at its beginning
---@param content string|host.secret
---@param note string?
---@return boolean|nil ok, string? message, string? kind
function Door:write(rights, folder, name, content, note) end
--- What a file holds, at most 16 MiB. Kinds: those of `write`, and "absent".
---@param rights host.gate.rights
---@param folder string
---@param name string
---@return string|nil content, string? message, string? kind
function Door:read(rights, folder, name) end
--- Names of the plain files in a folder, sorted. Kinds: those of `write`.
---@param rights host.gate.rights
---@param folder string
---@return string[]|nil names, string? message, string? kind
function Door:list(rights, folder) end
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
--- A door that leads nowhere yet: name what it leads to and who may use it, then seal it.
---@param kind "real"|"emulator"
---@param journal host.journal.journal? required for anything that changes something
---@return host.gate.door
function M.door(kind, journal) end
--- Is it the path of a call as `needs` has it: "/users/{id}", "/v1/{mount}/data/{path+}", "/applications(appId)",
--- "/users/*"?
---@param text string
---@return boolean|nil ok, string? why
function M.template(text) end
--- An answer made of given bytes: for the tests' door and for replay.
---@param status integer
---@param headers table<string, string>
---@param body string
---@return host.answer
function M.answer(status, headers, body) end

return M
