---@meta host.journal
--- What must survive a crash. SQLite, WAL, synchronous=FULL.

error("this describes a native module for editors and help; it is not to be required")

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
--- Durable at the next commit. Raises "the journal cannot be written: …", as do seal, forget and audit.
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
--- Its own id, then those it had before it was restored from a backup: what they marked was ours.
--- Sealed with the owner's record, so that nobody can add one.
---@return string[]
function Journal:installations() end
--- When it was restored from a backup, the last time; nil: never.
---@return number|nil
function Journal:restored_at() end
--- Put on record that it was restored: it gets an id of its own and keeps the former ones; with
--- `replaces` it keeps its id, since what it was made of runs no more. Durable at the next commit.
---@param time number
---@param replaces boolean?
function Journal:mark_restored(time, replaces) end
--- Copy what is committed to the new file `path` (0600), which is verified and durable when this
--- returns; others may write meanwhile. Its chain ends as is returned. Kinds: "exists", "damaged"
--- (the copy, and so the journal, is), "io".
---@param path string
---@return integer|nil seq, string hash_or_message hex, string? kind
function Journal:backup(path) end
--- Move the records that are older than `before` from the chain to a segment, a file beside the
--- journal, and drop these rows, if they were put there only. What is kept is put on record anew.
--- Nil when there are none; kinds as in M.open.
---@param before number
---@param time number now
---@param rows { [1]: string, [2]: string }[] kind and id of each row that may go
---@return {segment: string, first: integer, last: integer, carried: integer}|nil, string? message, string? kind
function Journal:compact(before, time, rows) end
--- After which record the chain begins: 0, or the last one of the newest segment.
---@return integer seq, string hash hex
function Journal:start() end
--- Is it a segment, which holds records of a chain and nothing else?
---@return boolean
function Journal:is_segment() end
--- A kernel lock held by this process until closed. Kinds: "busy" (another process, or another
--- lease of this one, holds it), "journal" (the lock file cannot be opened or locked, so nobody
--- knows). The module `lease` raises the second as a failure.
---@param name string
---@return host.journal.lease|nil lease, string? message, "busy"|"journal"|nil kind
function Journal:lease(name) end
function Journal:close() end

---@class host.journal.lease
local Lease = {}
function Lease:close() end

local M = {}
--- Open or make the journal in this folder (0700, ours). Kinds: "key" (the key does not
--- open it), "binding" (it belongs to another tenant), "damaged", "gone" (taken away or emptied),
--- "older" (not the one that was used last), "restoring" (a restore was stopped), "io".
---@param directory string
---@param key host.secret at least 32 bytes
---@param binding string "<login host>/<tenant>"
---@param clock host.sys.clock? an emulator's, for the times of what the gate puts on record
---@param failure nil|fun(message: string): any makes what is raised when the journal cannot be written or
--- read of the message; without it the message is raised as it is
---@return host.journal.journal|nil, string? message, string? kind
function M.open(directory, key, binding, clock, failure) end
--- Open a backup, or another journal that nobody writes to, only to read and verify it.
--- Kinds: "key", "binding", "damaged", "io".
---@param path string
---@param key host.secret
---@param binding string
---@return host.journal.journal|nil, string? message, string? kind
function M.read(path, key, binding) end

--- Seal a journal under another key, in one transaction; nobody else may have it open. How many
--- values were sealed anew; 0 also when it opens with the new key already, or there is none. Kinds:
--- "busy", "key" (neither key opens it), and those of M.open.
---@param directory string
---@param old host.secret
---@param new host.secret
---@param binding string
---@param time number
---@return integer|nil count, string? message, string? kind
function M.rekey(directory, old, new, binding, time) end

--- Seal a segment under another key; done already is fine. Kinds as in M.read.
---@param path string
---@param old host.secret
---@param new host.secret
---@param binding string
---@return boolean|nil ok, string? message, string? kind
function M.rekey_segment(path, old, new, binding) end

---@class host.journal.restored
---@field head integer the chain's last record
---@field hash string of it, hex
---@field installation string its id from now on
---@field aside string? where the journal lies that was there before

--- Put a backup in the place of the journal in `directory`, marked as restored (Journal:mark_restored).
--- Nobody else may have that one open. A restore that was stopped is begun again; until then no
--- journal is opened there. Kinds: "busy", "living" (there is a journal, and set_aside is false),
--- "restoring" (stopped by an error after the backup was made ready), and those of M.read.
---@param directory string
---@param file string
---@param key host.secret
---@param binding string
---@param time number
---@param replaces boolean? it keeps its id
---@param set_aside boolean? move a journal that is there aside; nothing of it is removed
---@return host.journal.restored|nil, string? message, string? kind
function M.restore(directory, file, key, binding, time, replaces, set_aside) end

return M
