---@meta host.sys
--- Clocks, private files, environment.

error("this describes a native module for editors and help; it is not to be required")

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

local M = {}
--- Take the lock of this file (0600, made when it is not there), or say at once that it is held.
---@param path string
---@return host.sys.lock|nil, string? message, string? kind "held"|"io"
function M.lock(path) end
--- The time for measuring.
---@return number seconds since some start; never goes back
function M.monotonic() end
--- The time of day.
---@return number seconds since 1970
function M.time() end
--- Do nothing for so long, or until a signal comes.
---@param ms integer
function M.sleep(ms) end
--- Broken-down UTC and back (timegm).
---@param time number
---@return {year:integer, month:integer, day:integer, hour:integer, minute:integer, second:integer}
function M.utc(time) end
--- The moment of broken-down UTC.
---@return number
function M.from_utc(year, month, day, hour, minute, second) end
--- Open an emulator's clock by its file, which is made when asked for.
---@param path string
---@param create boolean?
---@return host.sys.clock|nil, string? message
function M.clock(path, create) end
--- A variable of the environment.
---@param name string
---@return string|nil
function M.getenv(name) end
--- Read an environment variable into a secret and remove it from the environment. Its value is taken as text, as
--- `read_secret` does.
---@param name string
---@return host.secret|nil, string? message nil, too, when the variable is not set or empty
function M.take_env(name) end
--- Read a file of at most `limit` bytes. Refused unless a regular file, ours (or root's) and not writable by others.
---@param path string
---@param limit integer
---@return string|nil, string? message, string? kind "missing"|"mode"|"io"
function M.read(path, limit) end
--- How the content of a file becomes a secret. "text": a byte order mark of UTF-8 and line ends at the end are dropped;
--- a blank at either end, a control character and UTF-16 are refused. "bytes": one newline at the end is dropped, and
--- nothing is refused. "whole": nothing is dropped or refused.
---@alias host.sys.form "text"|"bytes"|"whole"
--- Read a key or secret file: besides, mode & 077 must be 0 and it may be no
--- symbolic link.
--- What a service manager keeps may besides be readable by its group; what a platform mounts
--- (volumes of Kubernetes) may be a link, and readable by all.
---@param path string
---@param kept_by "person"|"manager"|"platform"|nil
---@param form host.sys.form? "text" when absent
---@return host.secret|nil, string? message, string? kind "missing"|"mode"|"link"|"text"|"io"
function M.read_secret(path, kept_by, form) end
--- Read a secret from an inherited file descriptor to its end.
---@param fd integer
---@param form host.sys.form? "text" when absent
---@return host.secret|nil, string? message, string? kind "text"|"io"
function M.read_secret_fd(fd, form) end
--- Write a file 0600, atomically and durably (temporary file, fsync, rename, fsync of the folder).
--- "new" refuses an existing one; "edit" wants one, keeps its owner, group and mode, and finds it behind a symbolic
--- link.
---@param path string
---@param content string|host.secret
---@param how "replace"|"new"|"edit"
---@return boolean|nil, string? message, string? kind "exists"|"io"
function M.write(path, content, how) end
--- Make a folder and those above it, 0700.
---@param path string
---@param private boolean? refuse a way to it that another user can change: a link of theirs, or a folder above it that
--- they own or may write to
---@return boolean|nil, string? message
function M.mkdir(path, private) end
--- Remove a file or an empty folder. What is not there counts as removed.
---@param path string
---@return boolean|nil, string? message
function M.remove(path) end
--- Remove a folder and what is in it; never follows links.
---@param path string
---@return boolean|nil, string? message
function M.remove_tree(path) end
--- A new private folder below the temporary directory.
---@param prefix string
---@return string|nil path, string? message
function M.temporary(prefix) end
--- What is known of a file. `type` is "file", "directory", "link" or "other".
---@param path string
---@param follow boolean? of what a link leads to, and not of the link
---@return {type: string, mode: integer, ours: boolean, size: integer, modified: number}|nil
function M.stat(path, follow) end
--- Whose a file or folder is: the user's name, or the number as text when it has none.
---@param path string
---@return string|nil name nil when there is no such file
function M.owner(path) end
--- The user this process acts as, named as by `owner`.
---@return string name
function M.user() end
--- The number of the user of that name.
---@param name string
---@return integer|nil
function M.user_id(name) end
--- The user who sits here: the owner of the terminal (of the first standard stream that is one); without a terminal
--- this process's real user.
---@return integer|nil uid, string name_or_message nil when it cannot be told
function M.person() end
--- Names in a folder, sorted.
---@param path string
---@return string[]|nil, string? message
function M.list(path) end
--- Collect what nobody uses any more, and give the memory back to the system; more readily from now on, too.
function M.trim() end
--- Room left where a path lies.
---@param path string
---@return number|nil bytes free for us
function M.free_space(path) end
--- The number of this process.
---@return integer
function M.pid() end
--- Path of the running program.
---@return string
function M.executable() end
--- Text of a file in the binary: "scripts/setup/entra-pam-provider.lua".
---@param name string
---@return string|nil
function M.embedded(name) end
--- Names in the binary that start so, sorted.
---@param prefix string
---@return string[]
function M.embedded_list(prefix) end
--- Count SIGINT and SIGTERM from now on; a third one ends the program. With `raise`, code that does not look at
--- `interrupts` is ended, too: `raise()` is called inside functions of scripts and has to raise an error, and the
--- signal ends the process after 0.6 seconds of processor time without a look. While a change is in flight, that
--- takes a second signal; while a journal is open, scripts are left alone for the first 0.3 seconds.
---@param raise nil|fun()
function M.catch_interrupts(raise) end
--- The number of interrupts since catching began, or since the count was last reset. Calling this counts as handling
--- them: the process is then not ended for ignoring them.
---@return integer
function M.interrupts() end
--- One line to the system's log (facility auth), redacted; nothing where there is none.
---@param text string
function M.syslog(text) end
--- Was one of them a SIGTERM, which asks the program to end?
---@return boolean
function M.terminated() end
--- Count from none again.
function M.forget_interrupts() end
--- At the prompt: shall an interrupt raise the error "interrupted" in any Lua code, the library's too? Meanwhile only
--- a second signal ends a process that does not listen.
---@param yes boolean
function M.interruptible(yes) end
--- Call `fn(...)` as xpcall does, with bounds: the error of code that goes beyond is a text that says so, and catching
--- it does not help. Loops inside C (patterns) and in finalizers are not counted.
---@param instructions integer
---@param bytes integer of Lua's memory, beyond what is used now
---@param handler fun(err: any): any
---@param fn function
---@return boolean ok, any ... results, or the error
function M.bounded(instructions, bytes, handler, fn, ...) end
--- Call `fn()` in a copy of this process and take the text it returns. Nothing else of what it does is seen here,
--- and what it prints goes nowhere.
---@param fn fun(): string
---@param seconds integer of processor time, after which the copy is killed
---@return string|nil text, string? message
function M.apart(fn, seconds) end
--- The version of this program.
---@return string "0.1.0"
function M.version() end

return M
