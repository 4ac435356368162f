---@meta host.journal
--- The journal: records, sealed secrets and an audit chain that survive a crash. SQLite, WAL, synchronous=FULL.

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
--- Insert or replace a record, and append it to the audit chain (kind "journal.put"). The record is durable at the next
--- commit. Raises "the journal cannot be written: …", as `seal`, `forget` and `audit` do.
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
--- The records of a kind, the oldest first; without a kind, all records.
---@param kind string?
---@param except string? leave out the records in this state
---@return host.journal.row[]
function Journal:list(kind, except) end
--- Store a secret, sealed with the journal's key; the id and the journal's binding are the additional authenticated
--- data. Sealing the same value again does nothing; another value under an id in use raises an error.
---@param id string
---@param value host.secret
function Journal:seal(id, value) end
--- Open a sealed secret. nil without a message means that there is no secret under this id.
---@param id string
---@return host.secret|nil value, string? message
function Journal:unseal(id) end
--- Drop a sealed secret. The caller drops only secrets whose successor is confirmed.
---@param id string
function Journal:forget(id) end
--- Keep a value outside the audit chain, for what was seen elsewhere and can be read again or be missing. It is sealed
--- with the journal's key and bound to its name. A value that is lost, or replaced by an older one, is not noticed.
--- Durable at the next commit.
---@param name string
---@param body table? encoded as JSON; a secret in it is an error; nil drops the value
function Journal:keep(name, body) end
--- The value that is kept under this name. nil without a message means that there is none.
---@param name string
---@param to_change boolean? let no other process replace the value before the next commit
---@return table|nil body, string? message why it cannot be opened
function Journal:kept(name, to_change) end
--- The names of kept values that begin with this text, sorted.
---@param start string
---@return string[]
function Journal:kept_names(start) end
--- Append a record to the audit chain.
---@param kind string not beginning with "journal."
---@param body table encoded as JSON; a secret in it is an error
---@param time number
function Journal:audit(kind, body, time) end
--- The last `count` audit records, oldest first.
---@param count integer
---@return {seq: integer, time: number, kind: string, body: table}[]
function Journal:history(count) end
--- The first `count` audit records after record `seq`, oldest first, each with its hash in hex.
---@param seq integer
---@param count integer
---@return {seq: integer, time: number, kind: string, body: table, hash: string}[]
function Journal:records_after(seq, count) end
--- Commit: make all changes since the last commit durable.
---@return boolean|nil ok, string? message
function Journal:commit() end
--- Verify the audit chain, compare the records with the chain, and open the values kept outside it.
---@return integer|nil count of the chain's records, string? message, integer? seq of the wrong record
function Journal:verify() end
--- The number and the hash of the last record of the chain.
---@return integer seq, string hash hex
function Journal:head() end
--- The hash of the chain at this record; nil when there is no such record.
---@param seq integer
---@return string|nil hex
function Journal:hash(seq) end
--- A random id of the journal, made together with it. The displayName of secrets contains it.
---@return string 8 hex digits
function Journal:installation() end
--- The journal's id, then the ids that the journal had before it was restored from a backup: objects marked with these
--- are ours, too. The list is sealed, so that nobody can add an id.
---@return string[]
function Journal:installations() end
--- The moment of the last restore from a backup; nil when the journal was never restored.
---@return number|nil
function Journal:restored_at() end
--- Put on record that the journal was restored. It gets a new id, and keeps the list of former ids. Durable at the next
--- commit.
---@param time number
---@param replaces boolean? keep the id, because the journal in the backup never runs again
function Journal:mark_restored(time, replaces) end
--- Copy the committed content to a new file with mode 0600. The copy is verified and durable when this returns. Other
--- processes may write to the journal meanwhile. Kinds: "exists", "damaged" (the copy, and so the journal), "io".
---@param path string
---@return integer|nil seq number of the copy's last record
---@return string hash_or_message its hash (hex), string? kind
function Journal:backup(path) end
--- Move the chain's records that are older than `before` to a segment, which is a file beside the journal. Drop these
--- rows when they were put before that moment only; rows that stay are put on record anew. Returns nil without a kind
--- when no record is that old. Kinds: as in M.open.
---@param before number
---@param time number now
---@param rows { [1]: string, [2]: string }[] kind and id of each row that may go
---@return {segment: string, first: integer, last: integer, carried: integer}|nil, string? message, string? kind
function Journal:compact(before, time, rows) end
--- The record after which the chain begins: 0, or the last record of the newest segment.
---@return integer seq, string hash hex
function Journal:start() end
--- Is this file a segment, which has only records of a chain?
---@return boolean
function Journal:is_segment() end
--- Take a lease: a lock of the kernel that this process holds until the lease is closed. Kinds: "busy" (another
--- process, or another lease of this process, has it), "journal" (the lock file cannot be opened or locked, so it is
--- unknown who has the lease).
---@param name string
---@return host.journal.lease|nil lease, string? message, "busy"|"journal"|nil kind
function Journal:lease(name) end
function Journal:close() end

---@class host.journal.lease
local Lease = {}
function Lease:close() end

local M = {}
--- Open the journal in this folder, or make it. The folder has mode 0700 and belongs to this user. Kinds: "key" (the
--- key does not open the journal), "binding" (the journal belongs to another tenant), "damaged", "gone" (removed or
--- emptied), "older" (older than the journal that was used last), "restoring" (a restore was stopped),
--- "newer" (a newer version of Moonlatch made it), "io".
---@param directory string
---@param key host.secret at least 32 bytes
---@param binding string "<login host>/<tenant>"
---@param clock host.sys.clock? an emulator's clock, for the times of the gate's records
---@param failure nil|fun(message: string): any makes the error that is raised when the journal cannot be written or
--- read;
--- without this function, the message is raised
---@return host.journal.journal|nil, string? message, string? kind
function M.open(directory, key, binding, clock, failure) end
--- Open a backup, or another journal that no process writes to, for reading and verifying only.
--- Kinds: "key", "binding", "damaged", "newer", "interrupted" (rekey_segment was, and has to be called again), "io".
---@param path string
---@param key host.secret
---@param binding string
---@return host.journal.journal|nil, string? message, string? kind
function M.read(path, key, binding) end

--- Seal a journal with another key, in one transaction. No other process may have the journal open. Returns the number
--- of values that were sealed anew; 0 also when the journal opens with the new key already, or there is no journal.
--- Kinds: "busy", "key" (neither key opens it), and those of M.open.
---@param directory string
---@param old host.secret
---@param new host.secret
---@param binding string
---@param time number
---@return integer|nil count, string? message, string? kind
function M.rekey(directory, old, new, binding, time) end

--- Seal a segment with another key. A segment that opens with the new key already is left as it is. Kinds: as in
--- M.read.
---@param path string
---@param old host.secret
---@param new host.secret
---@param binding string
---@return boolean|nil ok, string? message, string? kind
function M.rekey_segment(path, old, new, binding) end

---@class host.journal.restored
---@field head integer the chain's last record
---@field hash string of it, hex
---@field installation string the journal's id from now on
---@field aside string? the path of the former journal

--- Put a backup in the place of the journal in `directory`, marked as restored (Journal:mark_restored). No other
--- process may have that journal open. A restore that was stopped is begun again; no journal is opened there before
--- that. Kinds: "busy", "living" (there is a journal, and set_aside is false), "restoring" (stopped by an error after
--- the backup was made ready), and those of M.read.
---@param directory string
---@param file string
---@param key host.secret
---@param binding string
---@param time number
---@param replaces boolean? the restored journal keeps its id
---@param set_aside boolean? move an existing journal aside; nothing is removed
---@return host.journal.restored|nil, string? message, string? kind
function M.restore(directory, file, key, binding, time, replaces, set_aside) end

return M
