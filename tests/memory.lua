--- Runs the program as tests/memory.py does, which looks for secrets in its memory
--- from outside. The build that may be looked into is the one DUMPABLE names.

local json = require "host.json"

local M = {}

local DUMPABLE = os.getenv "DUMPABLE"

---@class memory.found
---@field status integer
---@field searched integer bytes
---@field needles integer
---@field copies { kind: string, form: string, where: string }[]

--- Why it cannot be done with this build; nil when it can.
---@return string?
function M.obstacle()
  return not DUMPABLE and "a build for sanitizers does not wipe what it frees" or nil
end

--- Run it to its end, or until it prints `at`, and search.
---@param far tap
---@param words string[]
---@param at string?
---@param status integer? it should end with; 0
---@return memory.found
function M.scan(far, words, at, status)
  local job = far.place:write("memory.json", json.encode {
    wire = far.directory .. "/wire.jsonl", at = at,
    keys = json.array { far.directory .. "/journal.key", far.directory .. "/devolutions.secret" },
  })
  local outcome = far:run(words, {
    before = { "/usr/bin/python3", "-B", SOURCE .. "/tests/memory.py", job }, program = DUMPABLE, seconds = 120,
    inside = true,
  })
  local found = assert(json.decode(outcome.out), outcome.err)
  assert(at or found.status == (status or 0), outcome.err)
  return found
end

--- The copies as text, for a failing test.
---@param found memory.found
---@return string
function M.describe(found)
  local lines = {}
  for i, copy in ipairs(found.copies) do lines[i] = ("%s (%s) in %s"):format(copy.kind, copy.form, copy.where) end
  return table.concat(lines, "\n")
end

--- How often pieces of each kind of secret are there in clear when it prints `at`. Three
--- pieces are searched of each secret; a token's may repeat itself.
---@param far tap
---@param code string of Lua, for -e
---@param at string
---@return table<string, integer> counts by kind
function M.held(far, code, at)
  local counts = {}
  for _, copy in ipairs(M.scan(far, { "-e", code }, at).copies) do
    if copy.form == "raw" then counts[copy.kind] = (counts[copy.kind] or 0) + 1 end
  end
  return counts
end

--- Raise unless none of the tap's secrets was left at the end.
---@param far tap
---@param words string[]
---@param status integer?
function M.check_clean(far, words, status)
  local found = M.scan(far, words, nil, status)
  assert(#found.copies == 0, M.describe(found))
  assert(found.needles > 50 and found.searched > 500000, "it was hardly searched")
end

return M
