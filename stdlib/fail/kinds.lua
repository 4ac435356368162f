--- The kinds of failure: what follows from each, in one table. Whoever has to decide by a kind asks here.

local M = {}

---@class fail.kinds.kind
---@field passes boolean? may the same call succeed later, though nobody does anything?
---@field open boolean? may a change have been carried out nonetheless?
---@field plain boolean? does the answer say of this very call that it was not carried out?
---@field settles boolean? does the same command, run again, look at what is there and go on from that?
---@field cause string? why, where the far side does not say it
---@field fix string? what to do, where a failure does not say it itself

---@type table<fail.kind, fail.kinds.kind>
M.kinds = {
  usage = { fix = "`--help` with the command says how it is used." },
  config = { fix = "Correct that, then run the command again." },
  auth = { fix = "Sign in again: moonlatch login." },
  denied = {
    plain = true, fix = "See who we are with `moonlatch whoami`, and what is needed with `moonlatch permissions`.",
  },
  missing = {
    plain = true, fix = "Check the name or id. What was made a moment ago may take some minutes to be seen.",
  },
  conflict = { plain = true, fix = "Run this again: the present state is read first." },
  refused = { plain = true },
  throttled = {
    passes = true, settles = true, cause = "there were too many requests",
    fix = "Wait some minutes, and do less at once.",
  },
  transient = {
    passes = true, settles = true, open = true, cause = "the service is in trouble",
    fix = "Try again in some minutes.",
  },
  network = { passes = true, settles = true, fix = "Check the network, then run it again." },
  bad_answer = { open = true, fix = "Run it again; if it stays so, report it with what --verbose says." },
  timeout = { settles = true, fix = "Run it again: it goes on where it was." },
  unknown_outcome = {
    open = true, settles = true,
    cause = "it is unknown whether the change was made: the answer is missing or unusable",
    fix = "Look before you run it again: the change may have been made.",
  },
  journal = { fix = "Keep the journal's folder as it is; `moonlatch journal verify` says what is wrong." },
  interrupted = { fix = "Run it again: it goes on where it was." },
  person = {}, not_ours = {},
}

---@class fail.kinds.transport why a request got no answer, by the gate's kind
---@field kind fail.kind
---@field passes boolean? may the next try succeed?
---@field unreached boolean? was the far side not even reached?
---@field silent boolean? does it say nothing about whether the far side can be reached?
---@field cause string
---@field fix string

---@type table<string, fail.kinds.transport>
M.transports = {
  dns = {
    kind = "network", passes = true, unreached = true, cause = "the host name cannot be resolved",
    fix = "Check the network, and the host names in the profile.",
  },
  connect = {
    kind = "network", passes = true, unreached = true, cause = "no connection can be made",
    fix = "Check the network, the proxy and the address in the profile.",
  },
  tls = {
    kind = "network", unreached = true, cause = "no safe connection can be made",
    fix = "If the server is your own, let it have TLS 1.2 or later, with ECDHE and AES-GCM or ChaCha20. A file that is"
      .. " named with `ca` in the profile has to be there and hold certificates.",
  },
  certificate = {
    kind = "network", unreached = true, cause = "the server's certificate does not prove that it is the right server",
    fix = "If a proxy inspects TLS, name its authority with `ca` in the profile. If the server is your own, let it have"
      .. " a good certificate. Otherwise do not go on: it may be somebody else's.",
  },
  timeout = {
    kind = "network", passes = true, cause = "no answer came in time",
    fix = "Try again; check the network if it stays so.",
  },
  cut = {
    kind = "network", passes = true, cause = "the connection broke before the answer was complete",
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
    kind = "transient", passes = true, silent = true, cause = "there is not enough memory",
    fix = "Close other programs and try again.",
  },
  journal = {
    kind = "journal", silent = true, cause = "the change could not be put on record, so it was not made",
    fix = "Free disk space, or see why with `moonlatch journal verify`; then run the same command again.",
  },
  undeclared = {
    kind = "config", silent = true, cause = "the script does not say that it needs this call",
    fix = "Add the call to the script's `needs`, or use --write where a person types.",
  },
  peer = {
    kind = "config", silent = true, cause = "the profile does not name this address",
    fix = "Check the addresses in the profile.",
  },
  credential = {
    kind = "config", silent = true, cause = "the credential is for another address",
    fix = "Check the addresses in the profile.",
  },
  closed = {
    kind = "interrupted", silent = true, cause = "the connection to the network is closed already",
    fix = "Run the command again.",
  },
}

local NONE = {}

--- What follows from a kind; of an unknown one nothing.
---@param kind string
---@return fail.kinds.kind
function M.of(kind) return M.kinds[kind] or NONE end

--- Why there was no answer, by the gate's kind; nil where there was one.
---@param failure { transport: string? }
---@return fail.kinds.transport?
function M.transport(failure) return failure.transport and (M.transports[failure.transport] or NONE) or nil end

return M
