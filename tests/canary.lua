--- Looks for the secrets of a tap's wire (tests/canary.py).

local json = require "host.json"
local process = require "host.process"

local M = {}

---@class canary.job
---@field files string[]? files and folders to search
---@field traces string[]? outputs of strace
---@field allowed string[]? files that may hold secrets

---@class canary.found
---@field secrets table<string, integer> how many there were, by kind
---@field needles integer
---@field searched integer bytes
---@field places integer
---@field hits { where: string, kind: string, form: string }[]

--- Search.
---@param tap tap
---@param job canary.job
---@return canary.found
function M.search(tap, job)
  local file = tap.place:write("canary.json", json.encode {
    wire = tap.directory .. "/wire.jsonl", files = json.array(job.files or {}), traces = json.array(job.traces or {}),
    keys = json.array { tap.directory .. "/journal.key", tap.directory .. "/devolutions.secret" },
    allowed = json.array(job.allowed or {}),
  })
  local child <close> = assert(process.start { "/usr/bin/python3", "-B", SOURCE .. "/tests/canary.py", file })
  return assert(json.decode(assert(child:line(120))))
end

--- The options of strace whose output it reads.
---@param file string
---@return string[]
function M.strace(file)
  return { "/usr/bin/strace", "-f", "--seccomp-bpf", "-v", "-xx", "-qq", "-s", "1000000", "-e", "signal=none", "-e",
    "trace=execve,openat,write,pwrite64,writev,pwritev,pwritev2,sendto,sendmsg", "-o", file }
end

--- The hits as text, for a failing test.
---@param found canary.found
---@return string
function M.describe(found)
  local lines = {}
  for i, hit in ipairs(found.hits) do lines[i] = ("%s (%s) in %s"):format(hit.kind, hit.form, hit.where) end
  return table.concat(lines, "\n")
end

return M
