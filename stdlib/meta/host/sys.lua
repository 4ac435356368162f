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

--- A lock between processes. The lock is released when the process that holds it ends.
---@class host.sys.lock
local Lock = {}
--- Set a mark that the next holder of the lock sees when this process ends before `unmark`.
---@return boolean
function Lock:mark() end
---@return boolean
function Lock:unmark() end
--- Did the former holder of the lock end between `mark` and `unmark`?
---@return boolean
function Lock:marked() end
function Lock:close() end

local M = {}
--- Take the lock of this file (mode 0600, made when missing). Does not wait: returns nil and "held" when another
--- process holds the lock.
---@param path string
---@return host.sys.lock|nil, string? message, string? kind "held"|"io"
function M.lock(path) end
--- The time for measuring durations.
---@return number seconds since some start; never goes back
function M.monotonic() end
--- The time of day.
---@return number seconds since 1970
function M.time() end
--- Sleep for this time, or until a signal comes.
---@param ms integer
function M.sleep(ms) end
--- Broken-down UTC and back (timegm).
---@param time number
---@return {year:integer, month:integer, day:integer, hour:integer, minute:integer, second:integer}
function M.utc(time) end
--- The moment of broken-down UTC.
---@return number
function M.from_utc(year, month, day, hour, minute, second) end
--- Open an emulator's clock by its file; with `create`, make the file.
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
--- Read a file of at most `limit` bytes. Refused unless it is a regular file that belongs to this user or root, and
--- that other users cannot write.
---@param path string
---@param limit integer
---@return string|nil, string? message, string? kind "missing"|"type"|"owner"|"mode"|"size"|"io"
function M.read(path, limit) end
--- How the content of a file becomes a secret. "text": a byte order mark of UTF-8 and line ends at the end are dropped;
--- a blank at either end, a control character and UTF-16 are refused. "bytes": one newline at the end is dropped, and
--- nothing is refused. "whole": nothing is dropped or refused.
---@alias host.sys.form "text"|"bytes"|"whole"
--- Read a file with a key or a secret, under the rules of `read`. Besides, mode & 077 must be 0, and the file may be no
--- symbolic link. A file that a service manager keeps may be readable by its group. A file that a platform mounts
--- (volumes of Kubernetes) may be a link, and readable by all users.
---@param path string
---@param kept_by "person"|"manager"|"platform"|nil
---@param form host.sys.form? "text" when absent
---@return host.secret|nil, string? message, string? kind
--- "missing"|"type"|"owner"|"mode"|"link"|"text"|"io"
function M.read_secret(path, kept_by, form) end
--- Read a secret from an inherited file descriptor to its end.
---@param fd integer
---@param form host.sys.form? "text" when absent
---@return host.secret|nil, string? message, string? kind "text"|"io"
function M.read_secret_fd(fd, form) end
--- Write a file 0600, atomically and durably (temporary file, fsync, rename, fsync of the folder). "new" refuses an
--- existing file. "edit" needs an existing file, keeps its owner, group and mode, and follows a symbolic link to it.
--- "public" writes the file 0644, for other programs to read.
---@param path string
---@param content string|host.secret
---@param how "replace"|"new"|"edit"|"public"
---@return boolean|nil, string? message, string? kind "exists"|"io"
function M.write(path, content, how) end
--- Make a folder and those above it, 0700.
---@param path string
---@param private boolean? refuse a path that another user can change: a link of another user, or a folder above it that
--- another user owns or may write to
---@return boolean|nil, string? message
function M.mkdir(path, private) end
--- Remove a file or an empty folder. A missing file counts as removed.
---@param path string
---@return boolean|nil, string? message
function M.remove(path) end
--- Remove a folder with its content. Links are not followed.
---@param path string
---@return boolean|nil, string? message
function M.remove_tree(path) end
--- A new private folder below the temporary directory.
---@param prefix string
---@return string|nil path, string? message
function M.temporary(prefix) end
--- Type, mode, size and time of a file; nil when there is no such file, nil and a message when that is unknown, because
--- the file cannot be looked at. `type` is "file", "directory", "link" or
--- "other".
---@param path string
---@param follow boolean? look at the target of a link instead of the link
---@return {type: string, mode: integer, ours: boolean, size: integer, modified: number}|nil, string? message
function M.stat(path, follow) end
--- The absolute path of a file or folder, without links.
---@param path string
---@return string|nil path, string? message
function M.resolve(path) end
--- The owner of a file or folder: the user's name, or the user's number as text when the number has no name.
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
--- The user at the terminal: the owner of the first standard stream that is a terminal; without a terminal, the real
--- user of this process.
---@return integer|nil uid nil when the user is unknown, string name_or_message
function M.person() end
--- Names in a folder, sorted.
---@param path string
---@return string[]|nil, string? message
function M.list(path) end
--- Collect garbage, and return free memory to the system; from now on, return free memory sooner.
function M.trim() end
--- The free space on the disk of a path.
---@param path string
---@return number|nil bytes that this user may use
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

--- A Lua file in the program, compiled when the program was built; its chunk's name is "@" and the file's.
---@param name string
---@param globals table<string, any> the globals of the file
---@return function|nil
function M.embedded_chunk(name, globals) end
--- The names of files in the binary that begin with the prefix, sorted.
---@param prefix string
---@return string[]
function M.embedded_list(prefix) end
--- Count SIGINT, SIGTERM and SIGHUP from now on (not SIGHUP where it is ignored); a third one ends the program. With
--- `raise`, code that does not look at `interrupts` is ended, too: `raise()` is called inside functions of scripts and
--- has to raise an error, and the signal ends the process after 0.6 seconds of processor time without a look. While a
--- change is in flight, that takes a second signal; while a journal is open, scripts are left alone for the first 0.3
--- seconds.
---@param raise nil|fun()
function M.catch_interrupts(raise) end
--- The number of interrupts since catching began, or since the count was last reset. Calling this counts as handling
--- them: the process is then not ended for ignoring them.
---@return integer
function M.interrupts() end
--- One line to the system's log (facility auth), redacted; nothing where there is none.
---@param text string
function M.syslog(text) end
--- Did one of them ask the program to end? Then its name.
---@return "SIGTERM"|"SIGHUP"|nil
function M.terminated() end
--- Reset the count of interrupts to 0.
function M.forget_interrupts() end
--- At the prompt: let an interrupt raise the error "interrupted" in any Lua code, also in the library's. Meanwhile,
--- only a second signal ends a process that does not look at `interrupts`.
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
