--- System calls as the places where a program is stopped: strace records them, and strikes at one of them.

local sets = require "base.sets"

local M = {}

local STRACE = "/usr/bin/strace"

--- The words before a program whose system calls are written to this file.
---@param file string
---@return string[]
function M.recording(file) return { STRACE, "-f", "-qq", "-o", file } end

--- The words before a program to which this happens at the nth system call of this name. A file of this name says later
--- whether it happened.
---@param file string
---@param call string
---@param nth integer
---@param what string "signal=KILL" or "error=EIO"
---@return string[]
function M.striking(file, call, nth, what)
  local line = { STRACE, "-f", "-qq", "-o", file, "-e", "trace=" .. call, "-e",
    ("inject=%s:%s:when=%d"):format(call, what, nth) }
  -- Fewer stops. A signal is not delivered where the filter stops (strace 6.1): the program would go on.
  if not what:find("signal=", 1, true) then table.insert(line, 2, "--seccomp-bpf") end
  return line
end

--- Did it happen, by a file of striking()?
---@param file string
---@return boolean
function M.has_struck(file)
  for line in io.lines(file) do
    if line:find("(INJECTED)", 1, true) or line:find("+++ killed by SIGKILL", 1, true) then return true end
  end
  return false
end

---------------------------------------------------------------------------
-- What a record says

-- Calls that leave everything outside the process as it is, or as the end of the process makes it anyway: a killed
-- process closes its files and connections, and gives up its locks. What was written is not lost by a kill, flushed or
-- not. A name that is not here counts as a call that changes something.
local INSIDE = sets.of {
  "access", "arch_prctl", "brk", "clock_gettime", "clock_nanosleep", "close", "dup", "dup2", "dup3", "epoll_create1",
  "epoll_ctl", "epoll_wait", "eventfd2", "exit", "exit_group", "faccessat", "faccessat2", "fcntl", "fdatasync", "flock",
  "fstat", "fsync", "futex", "getcwd", "getdents64", "getegid", "geteuid", "getgid", "getpeername", "getpid", "getppid",
  "getrandom", "getsockname", "getsockopt", "gettid", "getuid", "ioctl", "lseek", "lstat", "madvise", "mlock", "mlock2",
  "mmap", "mprotect", "mremap", "munlock", "munmap", "nanosleep", "newfstatat", "pipe2", "poll", "ppoll", "prctl",
  "pread64", "prlimit64", "pselect6", "read", "readlink", "readlinkat", "readv", "recvfrom", "recvmsg", "rseq",
  "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sched_getaffinity", "sched_yield", "select", "set_robust_list",
  "set_tid_address", "setsockopt", "sigaltstack", "socket", "socketpair", "stat", "statfs", "fstatfs", "sysinfo",
  "timer_create", "timer_delete", "timer_settime", "umask", "uname",
}

-- Calls that cannot fail, as their manual pages say: a failure of them is a world that does not exist.
local SURE = sets.of {
  "exit", "exit_group", "getegid", "geteuid", "getgid", "getpid", "getppid", "gettid", "getuid", "sched_yield",
  "set_tid_address", "umask",
}

local function changes_something(call, line)
  if line:find("= %-1 E") and not line:find "EINPROGRESS" then return false end
  if call == "open" or call == "openat" then return line:find "O_CREAT" ~= nil or line:find "O_TRUNC" ~= nil end
  return not INSIDE[call]
end

---@class crash.strace.call
---@field name string
---@field nth integer of this name
---@field changes boolean does it change something outside the process?

--- The system calls in a file of recording(), in their order.
---@param file string
---@return crash.strace.call[]
function M.calls(file)
  local calls, counts = {}, {}
  for line in io.lines(file) do
    local name = line:match "^%d+%s+([%l%d_]+)%("
    if name then
      counts[name] = (counts[name] or 0) + 1
      calls[#calls + 1] = { name = name, nth = counts[name], changes = changes_something(name, line) }
    end
  end
  return calls
end

--- The calls at whose beginning a kill leaves different worlds: those that change something, and the call after each.
--- A kill anywhere else leaves what a kill at one of these leaves. Mapped memory changes between two calls; of that,
--- the next process builds SQLite's index anew, and the counters of changes are beside a record, which a call writes.
---@param calls crash.strace.call[]
---@return crash.strace.call[]
function M.different_worlds(calls)
  local found = {}
  for i, call in ipairs(calls) do
    if call.changes or i > 1 and calls[i - 1].changes then found[#found + 1] = call end
  end
  return found
end

--- The calls that can fail.
---@param calls crash.strace.call[]
---@return crash.strace.call[]
function M.fallible(calls)
  local found = {}
  for _, call in ipairs(calls) do
    if not SURE[call.name] then found[#found + 1] = call end
  end
  return found
end

return M
