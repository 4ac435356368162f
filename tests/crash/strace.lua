--- System calls as the places where a program is stopped: strace counts them, and strikes at one of them.

local M = {}

local STRACE = { "/usr/bin/strace", "-f", "--seccomp-bpf", "-qq" }

local function words(...)
  local all = table.move(STRACE, 1, #STRACE, 1, {})
  for _, word in ipairs { ... } do all[#all + 1] = word end
  return all
end

--- The words before a program whose system calls are written to this file.
---@param file string
---@return string[]
function M.recording(file) return words("-o", file) end

--- How often each system call is in a file of recording(), and the calls in the order in which they came first.
---@param file string
---@return table<string, integer> counts, string[] order
function M.counts(file)
  local counts, order = {}, {}
  for line in io.lines(file) do
    local call = line:match("^%d+%s+([%l%d_]+)%(")
    if call and not counts[call] then order[#order + 1] = call end
    if call then counts[call] = (counts[call] or 0) + 1 end
  end
  return counts, order
end

--- The words before a program to which this happens at the nth system call of this name.
---@param call string
---@param nth integer
---@param what string "signal=KILL" or "error=EIO"
---@return string[]
function M.striking(call, nth, what)
  return words("-o", "/dev/null", "-e", "trace=" .. call, "-e", ("inject=%s:%s:when=%d"):format(call, what, nth))
end

return M
