---@meta host
error("this file describes the native modules for editors and help; it is not to be required")

--- The native modules. Arguments are positional here; the comfortable modules
--- of the plain names stand in stdlib/. Times are seconds since 1970 (number)
--- unless a name says otherwise. An operation that may fail returns
--- `nil, message`, and where a caller has to branch, a third value, the kind.

---------------------------------------------------------------------------
--- host.secret: values that can be passed on but not read.

---@class host.secret
--- tostring gives "[secret]"; concatenation, comparison with <, and length raise;
--- == compares identity. Living secrets share 1 MiB of memory (a token takes 2 to 4 KiB).
local Secret = {}
--- Wipe it now. Idempotent; a closed secret raises wherever it is used.
function Secret:close() end
--- Are the two the same bytes? Compared in constant time.
---@param other host.secret
---@return boolean
function Secret:equals(other) end
--- The first `count` (at most 3) characters, as Entra's `hint` shows them, but never
--- more than a quarter of the secret.
---@param count integer
---@return string
function Secret:hint(count) end
--- Another one with the same bytes, for who closes what it was given.
---@return host.secret
function Secret:copy() end
---@return integer bytes
function Secret:size() end
--- How many of the four classes (lower, upper, digit, symbol) it draws on.
---@return integer
function Secret:classes() end
--- Is this text in it, whatever the case of its letters?
---@param text string
---@return boolean
function Secret:contains(text) end

local secret = {}
--- Is the value a secret (open or closed)?
---@return boolean
function secret.is(value) end
--- Make a secret of text that is one already in the wrong place (a test, a form field the emulator received).
---@param text string
---@return host.secret
function secret.from(text) end
--- A random password: one character of each class, the rest from all, then shuffled.
---@param length integer 8 to 256
---@param excluded string? characters never used
---@return host.secret
function secret.generate(length, excluded) end
--- Random bytes as a secret (keys).
---@param bytes integer
---@return host.secret
function secret.random(bytes) end
--- Text with every living secret replaced by [secret], in every encoding, also one that is
--- cut off after 16 characters or more. Secrets shorter than 6 bytes are not looked for:
--- masking them would make other text unreadable.
---@param text string
---@return string
function secret.redact(text) end
--- "locked", "unlocked" (usable, but it may be swapped) or "closed" (not yet used).
---@return string
function secret.heap() end

---------------------------------------------------------------------------
--- host.json

local json = {}
json.null = nil ---@type lightuserdata the JSON null; never the same as absent
--- Strict decode (RFC 8259): one value of at most 4 MiB and 64 levels, in UTF-8, no name
--- twice in an object. Objects become tables; arrays become tables with the array mark
--- (so [] stays []); whole numbers become integers, exact to 64 bits. Refused are integers
--- beyond that and numbers beyond 1.8e308. String values of well-known secret members, and
--- of those named, become host.secret. The message names the byte (from 1) and what was
--- expected there, and never quotes the text.
---@param text string
---@param secrets string[]? further member names to lift
---@return any|nil value, string? message
function json.decode(text, secrets) end
--- Encode. Keys sorted, so that the same value gives the same text. A secret gives "[secret]".
--- An empty table without the array mark gives {}. Tables are read raw. What JSON has no form
--- for raises with the path to it ("users[2].name cannot be written as JSON: it is a function").
---@param value any
---@param pretty boolean? two-space indentation
---@return string
function json.encode(value, pretty) end
--- Mark a table as an array, so that it encodes as [] when empty. Returns it.
---@param list table?
---@return table
function json.array(list) end
--- Would it be written as an array: is it a table with the mark, or with a first element?
---@param value any
---@return boolean
function json.is_array(value) end

---------------------------------------------------------------------------
--- host.crypto

---@class host.crypto.key an RSA key; public keys and certificates alone have no private half
local Key = {}
--- A compact JWS over two JSON texts. The header is written anew with alg and sorted
--- names; the claims are signed as they are. PS256 salts with 32 bytes. Raises when one
--- is no JSON object.
---@param algorithm "RS256"|"PS256"
---@param header string JSON without alg
---@param claims string JSON
---@return string
function Key:sign(algorithm, header, claims) end
--- The same as a secret: who holds it can sign in with it for as long as it lasts.
---@param algorithm "RS256"|"PS256"
---@param header string JSON without alg
---@param claims string JSON
---@return host.secret
function Key:assertion(algorithm, header, claims) end
--- Was this compact JWS signed with the other half, by this algorithm? What is none was not.
---@param algorithm string "RS256" or "PS256" (with a salt of 32 bytes); no other verifies
---@param text string|host.secret
---@return boolean
function Key:verify(algorithm, text) end
--- What the certificate that came with the key says; nil when none did.
---@return {subject: string, not_before: integer?, not_after: integer?, sha1: string, sha256: string, der: string}|nil
function Key:describe() end
--- The public half, base64url without padding.
---@return string n, string e
function Key:public() end
function Key:close() end

local crypto = {}
--- Random bytes of cryptographic strength.
---@param count integer 1 to 65536
---@return string bytes
function crypto.random(count) end
--- A random (version 4) UUID in lower case.
---@return string
function crypto.uuid() end
--- The hash of a text.
---@param algorithm "sha256"|"sha1"
---@param text string
---@return string bytes
function crypto.digest(algorithm, text) end
--- The HMAC-SHA-256 of a text under a key.
---@param key host.secret
---@param text string
---@return string bytes
function crypto.hmac(key, text) end
--- Bytes as lower-case hexadecimal digits.
---@param bytes string
---@return string
function crypto.hex(bytes) end
--- Bytes as base64, with padding.
---@param bytes string
---@return string
function crypto.base64(bytes) end
--- Bytes as base64url, the form that URLs and tokens take.
---@param bytes string
---@return string without padding
function crypto.base64url(bytes) end
--- The bytes that base64 or base64url text stands for; nil when it is neither.
---@param text string base64 or base64url, padded or not, nothing else in it
---@return string|nil bytes
function crypto.unbase64(text) end
--- A new 2048-bit RSA key.
---@return host.crypto.key
function crypto.key() end
--- The private key of a file's content and the certificate that belongs to it: PEM (other
--- certificates may stand in it) or PKCS#12. RSA of 2048 to 16384 bits. The message is what
--- is wrong with "it", the file.
---@param content host.secret
---@param passphrase host.secret?
---@return host.crypto.key|nil key, string? message
function crypto.certificate(content, passphrase) end
--- A new 3072-bit RSA key and a certificate it signed itself, which may sign and nothing else.
---@param name string its common name: 1 to 64 bytes of UTF-8
---@param from integer seconds since 1970
---@param until_ integer
---@return host.secret pem both, the private key first; crypto.certificate reads it
function crypto.self_signed(name, from, until_) end
--- A certificate alone.
---@param der string
---@return host.crypto.key|nil key, string? message
function crypto.x509(der) end
--- The public key of these numbers.
---@param n string base64url
---@param e string base64url
---@return host.crypto.key|nil key, string? message
function crypto.public_key(n, e) end
--- Read a compact JWS without verifying it: Key:verify does that.
---@param text string|host.secret
---@return table|nil header, table|string claims_or_message
function crypto.jws(text) end
--- Seal a secret (AES-256-GCM, fresh nonce): nonce, ciphertext, tag.
---@param key host.secret 32 bytes
---@param binding string additional authenticated data
---@param value host.secret
---@return string bytes
function crypto.seal(key, binding, value) end
--- Seal a secret to a public key (RSA-OAEP with SHA-256), which opens with
--- openssl pkeyutl -decrypt -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256.
---@param pem string a public key, or a certificate with one
---@param value host.secret at most 190 bytes for a key of 2048 bits
---@return string|nil bytes, string? message
function crypto.seal_to(pem, value) end
--- Open what was sealed with the same key and binding; else the message says that it
--- does not open, or is cut off.
---@param key host.secret
---@param binding string
---@param sealed string
---@return host.secret|nil value, string? message
function crypto.open(key, binding, sealed) end
--- A key of 32 bytes made of a passphrase (scrypt with r = 8, p = 1). 2^17 takes half a second and
--- 128 MiB; more than 2^20 is refused, since whoever may write the number could stop us with it.
---@param passphrase host.secret
---@param salt string 16 bytes or more
---@param work integer N is 2^work; 10 to 20
---@return host.secret|nil key, string? message
function crypto.scrypt(passphrase, salt, work) end
--- A key of 32 bytes made of another, for one use only: HMAC-SHA-256 of the label.
---@param key host.secret 32 bytes or more
---@param label string
---@return host.secret
function crypto.derive(key, label) end

---------------------------------------------------------------------------
--- Requests, answers and credentials: made by the protocol modules, sent by the gate.

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
--- Mark whether sending it twice does no harm (protocol modules decide; this is for what only the caller knows).
---@param yes boolean
function Request:set_repeatable(yes) end
--- Send it on a connection of its own.
function Request:set_fresh() end
--- It is to find out why something was refused: where it changes nothing, the gate wants no declaration.
function Request:set_explaining() end
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
function Answer:close() end

---@class host.credential opaque; goes only to the origin it was made for
local Credential = {}
---@return string origin scheme://host:port
function Credential:origin() end
function Credential:close() end

---------------------------------------------------------------------------
--- host.gate: the one door to the network.

---@class host.gate.transfer
local Transfer = {}
--- The answer; or nil, message, kind, maybe_sent (may the far side have acted on it?).
--- Kinds: "journal", "dns", "connect", "tls", "timeout", "cut", "too_large", "hostile", "memory",
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

local gate = {}
--- A door that leads nowhere yet: name its peers and calls.
---@param kind "real"|"emulator"
---@param journal host.journal.journal? required for anything that changes something
---@return host.gate.door
function gate.door(kind, journal) end
--- An answer made of given bytes: for the tests' door and for replay.
---@param status integer
---@param headers table<string, string>
---@param body string
---@return host.answer
function gate.answer(status, headers, body) end

---------------------------------------------------------------------------
--- host.oauth: the Microsoft identity platform, protocol only.
--- `authority` is "https://login.microsoftonline.com/contoso.onmicrosoft.com".

---@class host.oauth.token
---@field credential host.credential for the resource's origin
---@field refresh_token host.secret?
---@field expires_in integer seconds
---@field scope string? as answered
---@field claims table decoded payload (not verified; diagnostics): roles, scp, tid, oid, appid, wids, exp
---@class host.oauth.device_code
---@field device_code host.secret
---@field user_code string
---@field verification_uri string
---@field expires_in integer seconds
---@field interval integer seconds
---@field message string? what to tell the person, in the service's words
---@class host.oauth.failure
---@field error string "invalid_client", …; ours: "not_json", "bad_answer" (wrong shape), "http" (no reason given)
---@field suberror string?
---@field code integer? first AADSTS number
---@field message string one line, no trace ids
---@field trace_id string?
---@field status integer
---@field retry_after number? seconds
---@field date number? server time of the answer

local oauth = {}
--- OpenID discovery of the tenant.
---@param authority string
---@return host.request
function oauth.discovery(authority) end
--- The tenant's GUID and issuer. Endpoints on another host than the authority's are a failure.
---@param answer host.answer
---@param authority string
---@return {tenant: string, issuer: string}|nil, host.oauth.failure?
function oauth.judge_discovery(answer, authority) end
--- Ask for a device code.
---@param authority string
---@param client_id string
---@param scope string
---@return host.request
function oauth.device_code(authority, client_id, scope) end
--- The code a person is to enter, or why there is none.
---@param answer host.answer
---@return host.oauth.device_code|nil, host.oauth.failure?
function oauth.judge_device_code(answer) end
--- Redeem a device code.
---@param authority string
---@param client_id string
---@param device_code host.secret
---@return host.request
function oauth.device_token(authority, client_id, device_code) end
--- Get a token with an application's secret.
---@param authority string
---@param client_id string
---@param client_secret host.secret? none when it goes with the request as `basic` credential
---@param scope string "https://graph.microsoft.com/.default"
---@return host.request
function oauth.client_secret(authority, client_id, client_secret, scope) end
--- The client's id and secret as an Authorization header for the authority's host (RFC 6749, 2.3.1).
---@param authority string
---@param client_id string
---@param client_secret host.secret
---@return host.credential
function oauth.basic(authority, client_id, client_secret) end
--- Client credentials proven by a signed JWT: our own, or a federated issuer's.
---@param authority string
---@param client_id string
---@param assertion host.secret
---@param scope string
---@return host.request
function oauth.client_assertion(authority, client_id, assertion, scope) end
--- A verifier and its challenge (S256) for one sign-in by code.
---@return host.secret verifier, string challenge
function oauth.pkce() end
--- Address of the page where a person signs in.
---@param authority string
---@param client_id string
---@param redirect_uri string
---@param scope string
---@param state string
---@param challenge string
---@param login_hint string?
---@return string
function oauth.authorize(authority, client_id, redirect_uri, scope, state, challenge, login_hint) end
--- Redeem an authorization code. It works once, so this is not to be sent twice.
---@param authority string
---@param client_id string
---@param code host.secret
---@param redirect_uri string as in `authorize`
---@param verifier host.secret
---@param scope string
---@return host.request
function oauth.code(authority, client_id, code, redirect_uri, verifier, scope) end
--- Ask the endpoint of a virtual machine for its identity's token.
---@param endpoint string "http://169.254.169.254/metadata/identity/oauth2/token"
---@param resource string
---@param which table<string, string> client_id, object_id or msi_res_id of one of several identities
---@return host.request
function oauth.machine(endpoint, resource, which) end
--- Ask the endpoint of App Service or Container Apps; goes with `service_credential`.
---@param endpoint string $IDENTITY_ENDPOINT
---@param resource string
---@param which table<string, string> client_id, object_id or mi_res_id
---@return host.request
function oauth.service(endpoint, resource, which) end
--- What proves us to the endpoint of a machine's identity, to be sent as that header.
---@param endpoint string
---@param header host.secret $IDENTITY_HEADER
---@return host.credential
function oauth.service_credential(endpoint, header) end
--- Get a token with a refresh token.
---@param authority string
---@param client_id string
---@param refresh_token host.secret
---@param scope string
---@return host.request
function oauth.refresh(authority, client_id, refresh_token, scope) end
--- Judge a token answer. The credential is bound to the origin of `resource`.
---@param answer host.answer
---@param resource string URL of the API the token is for
---@return host.oauth.token|nil, host.oauth.failure?
function oauth.judge_token(answer, resource) end
--- The same of a managed identity's endpoint, which may say when the token ends instead of
--- how long it lives.
---@param answer host.answer
---@param resource string
---@param now number
---@return host.oauth.token|nil, host.oauth.failure?
function oauth.judge_identity(answer, resource, now) end
--- A token that somebody else got. It has to say when it ends; the message is what is wrong with "it".
---@param access_token host.secret
---@param resource string
---@param now number
---@return host.oauth.token|nil, string? message
function oauth.given(access_token, resource, now) end

---------------------------------------------------------------------------
--- host.graph: Microsoft Graph, protocol only.

---@class host.graph.failure
---@field kind "refused"|"denied"|"auth"|"missing"|"conflict"|"throttled"|"transient"|"bad_answer"
---@field status integer
---@field code string as Graph said it; "" when none
---@field message string
---@field target string?
---@field details table? list of {code, message, target}
---@field request_id string?
---@field client_request_id string?
---@field retry_after number? seconds, from seconds or a date, capped at 180
---@field date number? server time of the answer
---@field lag boolean? a known text or code of something not yet replicated
---@field exists boolean? a known text or code of something that is there already

local graph = {}
--- Is anything different after such a call? The one judgement of that; a $batch is its calls.
---@param method string
---@param path string or a template: "/users/{id}/getMemberGroups"
---@return boolean
function graph.changes(method, path) end
--- Build a request. GET, and POST to getByIds and the like, change nothing; all else does.
--- To "/$batch" (at most 20 requests) it makes the calls that it carries.
--- A random client-request-id is sent.
---@param base string "https://graph.microsoft.com/v1.0"
---@param method string
---@param path string below base, segments already escaped (graph.segment), no query
---@param query table<string, string>? "$select" = "id,…": escaped here
---@param body table?
---@param headers table<string, string>? only ConsistencyLevel and Prefer
---@return host.request
function graph.request(base, method, path, query, body, headers) end
--- The next page. A link to another origin than base is refused without a request.
---@param base string
---@param link string @odata.nextLink
---@param headers table<string, string>? those of the first page
---@return host.request|nil, string? message
function graph.next(base, link, headers) end
--- A query as it is sent, with its "?"; "" for none.
---@param query table<string, string>
---@return string
function graph.query(query) end
--- Escape one path segment (an id, a UPN).
---@param value string
---@return string
function graph.segment(value) end
--- A value as an OData literal: quotes doubled, booleans and numbers plain.
---@param value string|number|boolean
---@return string
function graph.literal(value) end
--- Judge an answer: the decoded body ({} for 204 and empty bodies, a number for a plain $count), or a failure.
--- Server time second on success.
---@param request host.request
---@param answer host.answer
---@return table|number|nil value, host.graph.failure|number|nil failure_or_date
function graph.judge(request, answer) end
--- Judge the answer to a batch: for each part's id { value = … } or { failure = … }; a part
--- that is missing in the answer is missing here. A failure is the whole batch's.
---@param request host.request
---@param answer host.answer
---@return table<string, {value: any, failure: host.graph.failure?}>|nil outcomes
---@return host.graph.failure|number|nil failure_or_date
function graph.judge_batch(request, answer) end

---------------------------------------------------------------------------
--- host.devolutions: Devolutions Server's public API, protocol only.

---@class host.devolutions.failure
---@field kind "refused"|"denied"|"auth"|"missing"|"conflict"|"throttled"|"transient"|"bad_answer"
---@field status integer
---@field message string
---@field retry_after number? seconds, capped at 180

local devolutions = {}
--- Is anything different after such a call, other than our own session?
---@param method string
---@param path string or a template: "/api/v1/vault/{id}/entry"
---@return boolean
function devolutions.changes(method, path) end
--- Begin a session with an application identity.
---@param base string "https://dvls.contoso.com/path"
---@param app_key string
---@param app_secret host.secret
---@return host.request
function devolutions.login(base, app_key, app_secret) end
--- The session (header tokenId), bound to the base's origin.
---@param answer host.answer
---@param base string
---@return host.credential|nil, host.devolutions.failure?
function devolutions.judge_login(answer, base) end
--- Build a request.
---@param base string
---@param method string
---@param path string "/api/v1/vault/{id}/entry": segments escaped (devolutions.segment)
---@param query table<string, string>?
---@param body table?
---@return host.request
function devolutions.request(base, method, path, query, body) end
--- Escape one path segment.
---@param value string
---@return string
function devolutions.segment(value) end
--- Judge an answer; members of an entry's data that are secrets come back as host.secret.
---@param request host.request
---@param answer host.answer
---@return any|nil value, host.devolutions.failure?
function devolutions.judge(request, answer) end

---------------------------------------------------------------------------
--- host.journal: what must survive a crash. SQLite, WAL, synchronous=FULL.

---@class host.journal.row
---@field id string
---@field kind string
---@field state string
---@field body table
---@field created number
---@field updated number

---@class host.journal.journal
local Journal = {}
--- Insert or replace a record, and append the same to the audit chain (kind "journal.put").
--- Durable at the next commit. Raises "journal cannot be written: …", as do seal, forget and audit.
---@param kind string "intent", "adopted", "made", …
---@param id string
---@param state string
---@param body table encoded as JSON; a secret in it is an error
---@param time number
function Journal:put(kind, id, state, body, time) end
---@param kind string
---@param id string
---@return host.journal.row|nil
function Journal:get(kind, id) end
--- Oldest first; of every kind when none is given.
---@param kind string?
---@param except string? leave out those in this state
---@return host.journal.row[]
function Journal:list(kind, except) end
--- Keep a secret, sealed under the journal's key with the id and the journal's binding as AAD.
--- The same value again does nothing; another one under an id in use raises.
---@param id string
---@param value host.secret
function Journal:seal(id, value) end
--- nil without a message: nothing is held under this id.
---@param id string
---@return host.secret|nil value, string? message
function Journal:unseal(id) end
--- Drop a sealed value. Only what is confirmed and superseded may go (the caller's rule).
---@param id string
function Journal:forget(id) end
--- Append to the audit chain.
---@param kind string not beginning with "journal."
---@param body table encoded as JSON; a secret in it is an error
---@param time number
function Journal:audit(kind, body, time) end
--- The last `count` audit records, oldest first.
---@param count integer
---@return {seq: integer, time: number, kind: string, body: table}[]
function Journal:history(count) end
--- Make everything since the last commit durable.
---@return boolean|nil ok, string? message
function Journal:commit() end
--- Walk the audit chain and hold the records against it.
---@return integer|nil count, string? message, integer? seq
function Journal:verify() end
---@return integer seq, string hash hex
function Journal:head() end
--- The hash of the chain at that record; nil when there is none.
---@param seq integer
---@return string|nil hex
function Journal:hash(seq) end
--- A random id made when the journal was made; in the displayName of secrets.
---@return string 8 hex digits
function Journal:installation() end
--- A kernel lock held by this process until closed; nil and a message when another holds it.
---@param name string
---@return host.journal.lease|nil lease, string? message
function Journal:lease(name) end
function Journal:close() end

---@class host.journal.lease
local Lease = {}
function Lease:close() end

local journal = {}
--- Open or make the journal in this folder (0700, ours). Kinds: "key" (the key does not
--- open it), "binding" (it belongs to another tenant), "damaged", "io".
---@param directory string
---@param key host.secret at least 32 bytes
---@param binding string "<login host>/<tenant>"
---@param clock host.sys.clock? an emulator's, for the times of what the gate puts on record
---@return host.journal.journal|nil, string? message, string? kind
function journal.open(directory, key, binding, clock) end

---------------------------------------------------------------------------
--- host.httpd: a small HTTPS server on loopback, for the emulator and the OAuth redirect.

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
--- Is it known to come from another user of this machine? Root counts as no other, and has none.
---@return boolean
function Incoming:from_other_user() end
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
--- Open requests are over: their clients see the connection end, and using them raises.
function Server:close() end

local httpd = {}
--- A new authority and a server certificate of it.
---@return host.httpd.identity
function httpd.identity() end
--- A server; plain HTTP without an identity.
---@param identity host.httpd.identity?
---@return host.httpd.server
function httpd.server(identity) end

---------------------------------------------------------------------------
--- host.process: other programs. Always an argument list, never a shell.

---@class host.process.child
local Child = {}
--- One line of its output, without the newline; nil at the end or after `seconds`.
---@param seconds number
---@return string|nil line, string? why "end" or "timeout"
function Child:line(seconds) end
--- All of its output that was not asked for yet, as a secret, less one newline at its end.
---@param seconds number until its output must have ended
---@return host.secret|nil value, string? why "empty", "timeout" or "too long" (64 KiB)
function Child:secret(seconds) end
--- What it wrote to its standard error so far, redacted, at most 4 KiB; nil when nothing, or when it was not kept.
---@return string|nil
function Child:complaint() end
--- Exit status (128+n for signal n), waiting at most `seconds`.
---@param seconds number
---@return integer|nil
function Child:wait(seconds) end
---@param signal "TERM"|"KILL"|"INT"
function Child:kill(signal) end
---@return integer
function Child:pid() end
--- Close its input, which tells a private emulator to end; then collect it. What does not
--- end by itself in two seconds is terminated, and after two more killed, with what it started.
function Child:close() end

local process = {}
--- Start a program: in the environment only a fixed PATH and LANG, standard input a pipe (the
--- secret, when given, is written to it and the pipe closed), output a pipe, standard error ours.
--- It leads a process group of its own, so that Ctrl-C does not reach it.
---@param arguments string[] the first is an absolute path
---@param input host.secret?
---@param pass string[]? names of variables of our environment that it gets too
---@param errors "shown"|"kept"|nil its standard error: ours, or kept for `complaint`
---@return host.process.child|nil, string? message
function process.start(arguments, input, pass, errors) end
--- Start a program of the person's that goes on without us, in a session of its own: it hears
--- nothing, what it says is not shown, and how it ends is not asked. The environment is that of `start`.
---@param arguments string[] the first is an absolute path
---@param pass string[]? names of variables of our environment that it gets too
---@return true|nil, string? message
function process.detach(arguments, pass) end

---------------------------------------------------------------------------
--- host.edit: a line a person types and edits.

---@class host.edit.editor
local Editor = {}
--- Show the prompt and let a person edit a line; it may hold newlines when it was recalled. Why there is none:
--- "end" (Ctrl-D) or "interrupted". `complete(before, after)`, the text on both sides of the cursor, is called for
--- Tab: it returns what to insert, how many characters before the cursor to take away first, and whether it wrote
--- something below the line. It must not wait.
---@param prompt string
---@param complete nil|fun(before: string, after: string): string?, integer?, boolean?
---@return string|nil text, string? why
function Editor:read(prompt, complete) end
--- Put an entry into the history in memory; the oldest of 1,000 goes.
---@param text string may hold newlines
function Editor:remember(text) end
function Editor:close() end

local edit = {}
--- An editor on the terminal; nil where there is none, or none whose cursor can be moved.
---@return host.edit.editor|nil editor, string? message
function edit.open() end

---------------------------------------------------------------------------
--- host.sys: clocks, private files, environment.

---@class host.sys.clock
--- An emulator's clock: an offset to real time that only grows, shared through a file.
local Clock = {}
---@return number seconds
function Clock:offset() end
---@param seconds number added to the offset
function Clock:advance(seconds) end
function Clock:close() end

--- A lock between processes, gone with the one that holds it.
---@class host.sys.lock
local Lock = {}
--- Leave a mark for whoever holds the lock next, should we be cut off before `unmark`.
---@return boolean
function Lock:mark() end
---@return boolean
function Lock:unmark() end
--- Was the one who held it before cut off?
---@return boolean
function Lock:marked() end
function Lock:close() end

local sys = {}
--- Take the lock of this file (0600, made when it is not there), or say at once that it is held.
---@param path string
---@return host.sys.lock|nil, string? message, string? kind "held"|"io"
function sys.lock(path) end
--- The time for measuring.
---@return number seconds since some start; never goes back
function sys.monotonic() end
--- The time of day.
---@return number seconds since 1970
function sys.time() end
--- Do nothing for so long, or until a signal comes.
---@param ms integer
function sys.sleep(ms) end
--- Broken-down UTC and back (timegm).
---@param time number
---@return {year:integer, month:integer, day:integer, hour:integer, minute:integer, second:integer}
function sys.utc(time) end
--- The moment of broken-down UTC.
---@return number
function sys.from_utc(year, month, day, hour, minute, second) end
--- Open an emulator's clock by its file, which is made when asked for.
---@param path string
---@param create boolean?
---@return host.sys.clock|nil, string? message
function sys.clock(path, create) end
--- A variable of the environment.
---@param name string
---@return string|nil
function sys.getenv(name) end
--- Read an environment variable into a secret and remove it from the environment.
---@param name string
---@return host.secret|nil
function sys.take_env(name) end
--- Read a file of at most `limit` bytes. Refused unless a regular file, ours (or root's) and not writable by others.
---@param path string
---@param limit integer
---@return string|nil, string? message, string? kind "missing"|"mode"|"io"
function sys.read(path, limit) end
--- Read a key or secret file: besides, mode & 077 must be 0 and it may be no
--- symbolic link. One trailing newline is dropped.
--- What a service manager keeps may besides be readable by its group; what a platform mounts
--- (Kubernetes' tokens) may be a link, and readable by all.
---@param path string
---@param kept_by "person"|"manager"|"platform"|nil
---@param whole boolean? drop nothing: the file is binary
---@return host.secret|nil, string? message, string? kind "missing"|"mode"|"link"|"io"
function sys.read_secret(path, kept_by, whole) end
--- Read a secret from an inherited file descriptor to its end.
---@param fd integer
---@return host.secret|nil, string? message
function sys.read_secret_fd(fd) end
--- Write a file 0600, atomically and durably (temporary file, fsync, rename, fsync of the folder).
--- "new" refuses an existing one.
---@param path string
---@param content string|host.secret
---@param how "replace"|"new"
---@return boolean|nil, string? message, string? kind "exists"|"io"
function sys.write(path, content, how) end
--- Make a folder and those above it, 0700.
---@param path string
---@return boolean|nil, string? message
function sys.mkdir(path) end
--- Remove a file or an empty folder. What is not there counts as removed.
---@param path string
---@return boolean|nil, string? message
function sys.remove(path) end
--- Remove a folder and what is in it; never follows links.
---@param path string
---@return boolean|nil, string? message
function sys.remove_tree(path) end
--- A new private folder below the temporary directory.
---@param prefix string
---@return string|nil path, string? message
function sys.temporary(prefix) end
---@param path string
--- `type` is "file", "directory", "link" or "other".
---@return {type: string, mode: integer, ours: boolean, size: integer, modified: number}|nil
function sys.stat(path) end
--- Names in a folder, sorted.
---@param path string
---@return string[]|nil, string? message
function sys.list(path) end
--- Collect what nobody uses any more, and give the memory back to the system.
function sys.trim() end
--- Room left where a path lies.
---@param path string
---@return number|nil bytes free for us
function sys.free_space(path) end
--- The number of this process.
---@return integer
function sys.pid() end
--- Path of the running program.
---@return string
function sys.executable() end
--- Text of a file in the binary: "scripts/setup/entra-pam-provider.lua".
---@param name string
---@return string|nil
function sys.embedded(name) end
--- Names in the binary that start so, sorted.
---@param prefix string
---@return string[]
function sys.embedded_list(prefix) end
--- Install handlers for SIGINT and SIGTERM that only count. A third one ends the program as ever.
function sys.catch_interrupts() end
--- How many interrupts came since they are caught, or were forgotten.
---@return integer
function sys.interrupts() end
--- One line to the system's log (facility auth), redacted; nothing where there is none.
---@param text string
function sys.syslog(text) end
--- Was one of them a SIGTERM, which asks the program to end?
---@return boolean
function sys.terminated() end
--- Count from none again.
function sys.forget_interrupts() end
--- Shall an interrupt also end Lua code that only computes, with the error "interrupted"? Holds for the calling
--- coroutine, and for those it makes meanwhile.
---@param yes boolean
function sys.interruptible(yes) end
--- The version of this program.
---@return string "0.1.0"
function sys.version() end

---------------------------------------------------------------------------
--- host.term: the terminal. Everything a person reads leaves here, redacted.

local term = {}
--- Write text to standard output ("out") or standard error ("err"), redacted by value. Of control
--- characters only newline, tab, return, colours and erase-line are let through.
---@param stream "out"|"err"
---@param text string
---@return boolean|nil ok, string? message
function term.write(stream, text) end
--- Is a stream a terminal?
---@param stream "in"|"out"|"err"
---@return boolean
function term.is_terminal(stream) end
--- How wide the terminal is.
---@return integer columns (80 when unknown)
function term.width() end
--- How high the terminal is.
---@return integer lines (24 when unknown)
function term.height() end
--- Prompt on the terminal; nil at end of input or interrupt.
---@param prompt string
---@return string|nil
function term.read_line(prompt) end
--- Prompt and wait for one key, without Enter; nil at end of input, interrupt, or without a terminal.
---@param prompt string
---@return string|nil
function term.read_key(prompt) end
--- Prompt on /dev/tty without echo.
---@param prompt string
---@return host.secret|nil, string? message
function term.read_secret(prompt) end
--- Is there a terminal that can show a secret and clear it again?
---@return boolean
function term.can_reveal() end
--- Show a secret on the terminal's alternate screen under `heading` until Enter is pressed, then clear it.
--- Only with a terminal; the caller audits it.
---@param heading string
---@param value host.secret
---@return boolean|nil shown, string? message
function term.reveal(heading, value) end
