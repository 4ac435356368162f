--- The kinds of failure, and what follows from each kind: may the call be tried again, may a change have been made, and
--- the fix where the failure names no fix. Code that decides by the kind of a failure looks here.

local M = {}

---@class fail.kinds.kind
---@field passes_by_itself boolean? may the same call succeed later, though nobody does anything?
---@field may_have_changed boolean? may the service have carried out the change although the call failed?
---@field not_carried_out boolean? does the answer say that the service did not carry out this call?
---@field passes_after_reading boolean? may a write succeed once the present state was read anew?
---@field unreadable boolean? does it say what cannot be read here, and nothing about the network?
---@field same_command_resumes boolean? does the same command, run again, read the present state and go on from there?
---@field cause string? why the call failed, where the service gives no reason
---@field fix string? what to do, where the failure names no fix

---@type table<fail.kind, fail.kinds.kind>
M.kinds = {
  usage = { fix = "Add --help to the command, to see how it is used." },
  config = { fix = "Correct that, then run the command again." },
  auth = { fix = "Sign in again: {moonlatch} login." },
  denied = {
    not_carried_out = true, unreadable = true,
    fix = "Compare who is signed in (`{moonlatch} whoami`) with what the script needs (`{moonlatch} permissions "
      .. "SCRIPT`).",
  },
  missing = {
    not_carried_out = true, passes_after_reading = true, unreadable = true,
    fix = "Check the name or id. What was made a moment ago may take some minutes to be seen.",
  },
  conflict = {
    not_carried_out = true, passes_after_reading = true,
    fix = "Run the same command again: it reads the present state first.",
  },
  refused = { not_carried_out = true, unreadable = true },
  throttled = {
    passes_by_itself = true, same_command_resumes = true, cause = "there were too many requests",
    fix = "Run the same command again in some minutes.",
  },
  transient = {
    passes_by_itself = true, same_command_resumes = true, may_have_changed = true, cause = "the service is in trouble",
    fix = "Run the same command again in some minutes.",
  },
  network = {
    passes_by_itself = true, passes_after_reading = true, same_command_resumes = true,
    fix = "Check the network, then run it again.",
  },
  bad_answer = { may_have_changed = true, fix = "Run the same command again; if it stays so, report what --verbose "
    .. "prints." },
  timeout = { same_command_resumes = true, fix = "Run it again: it goes on where it was." },
  unknown_outcome = {
    may_have_changed = true, passes_after_reading = true, same_command_resumes = true,
    cause = "it is unknown whether the change was made: the answer is missing or unusable",
    fix = "Look in the Entra admin center or in Devolutions whether the change was made, before you run the command "
      .. "again.",
  },
  journal = { fix = "Keep the journal's folder as it is, and see what is wrong: {moonlatch} journal verify" },
  interrupted = { fix = "Run it again: it goes on where it was." },
  person = {}, not_ours = {},
}

---@class fail.kinds.transport why a request got no answer, by the gate's kind
---@field kind fail.kind
---@field passes_by_itself boolean? may the next try succeed?
---@field unreached boolean? did the request never reach the service?
---@field not_about_peer boolean? is the reason on our side, so that it is unknown whether the service can be reached?
---@field cause string
---@field fix string

---@type table<string, fail.kinds.transport>
M.transports = {
  dns = {
    kind = "network", passes_by_itself = true, unreached = true, cause = "the host name cannot be resolved",
    fix = "Check the network, and the host names in the profile.",
  },
  connect = {
    kind = "network", passes_by_itself = true, unreached = true, cause = "no connection can be made",
    fix = "Check the network, the proxy and the address in the profile.",
  },
  proxy_login = {
    kind = "config", unreached = true, cause = "the proxy connects only after a login that it accepts",
    fix = 'Name user and password in the profile: proxy = { url = "…", user = "…", password = { from = '
      .. '"sealed" } }. Only the scheme Basic can be used.',
  },
  tls = {
    kind = "network", unreached = true, cause = "no safe connection can be made",
    fix = "If the profile names a file with `ca`, check that the file is there and holds certificates. If the server is"
      .. " your own, turn on TLS 1.2 or later there, with ECDHE and AES-GCM or ChaCha20.",
  },
  certificate = {
    kind = "network", unreached = true, cause = "the server's certificate does not prove that it is the right server",
    fix = "If a proxy inspects TLS, name its authority with `ca` in the profile. If the server is your own, give"
      .. " it a certificate that is valid for its name. Otherwise stop: the server may be somebody else's.",
  },
  timeout = {
    kind = "network", passes_by_itself = true, cause = "no answer came in time",
    fix = "Try again; check the network if it stays so.",
  },
  cut = {
    kind = "network", passes_by_itself = true, cause = "the connection broke before the answer was complete",
    fix = "Try again; check the network if it stays so.",
  },
  too_large = {
    kind = "bad_answer", cause = "the answer is larger than any answer of the service",
    fix = "Check that the address in the profile is the real service.",
  },
  hostile = {
    kind = "bad_answer", cause = "the answer breaks the rules of HTTP",
    fix = "Check that the address in the profile is the real service, and that no proxy changes answers.",
  },
  memory = {
    kind = "transient", passes_by_itself = true, not_about_peer = true, cause = "there is not enough memory",
    fix = "Close other programs and try again.",
  },
  journal = {
    kind = "journal", not_about_peer = true, cause = "the change could not be put on record, so it was not made",
    fix = "Free disk space, or see why with `{moonlatch} journal verify`; then run the same command again.",
  },
  undeclared = {
    kind = "config", not_about_peer = true, cause = "the script does not say that it needs this call",
    fix = "Add the call to the script's `needs`; with -e, run and repl: add --write to the command.",
  },
  peer = {
    kind = "config", not_about_peer = true, cause = "the profile does not name this address",
    fix = "Check the addresses in the profile.",
  },
  credential = {
    kind = "config", not_about_peer = true, cause = "the credential is for another address",
    fix = "Check the addresses in the profile.",
  },
  closed = {
    kind = "interrupted", not_about_peer = true, cause = "the connection to the network is closed already",
    fix = "Run the command again.",
  },
}

local NONE = {}

--- What follows from a kind of failure; an empty table for an unknown kind.
---@param kind string
---@return fail.kinds.kind
function M.of(kind) return M.kinds[kind] or NONE end

--- Why the request got no answer, by the gate's kind; nil when an answer came.
---@param failure { transport: string? }
---@return fail.kinds.transport?
function M.transport(failure) return failure.transport and (M.transports[failure.transport] or NONE) or nil end

return M
