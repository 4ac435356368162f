--- Journals for specs: one key, one binding, and ways behind their back.

local child = require "child"
local journal = require "host.journal"
local process = require "host.process"
local secret = require "host.secret"
local sys = require "host.sys"

local M = {}

M.KEY = secret.from("0123456789abcdef0123456789abcdef")
M.BINDING = "login.microsoftonline.com/contoso.onmicrosoft.com"

--- What a child needs to open the same journal as `j`; arguments[1] is its folder.
M.OPEN = [[
  local journal, secret = require "host.journal", require "host.secret"
  local sys, term = require "host.sys", require "host.term"
  local key = secret.from("0123456789abcdef0123456789abcdef")
  local j, message, kind = journal.open(arguments[1], key, "login.microsoftonline.com/contoso.onmicrosoft.com")
  if not j then term.write("out", kind .. ": " .. message .. "\n") return 9 end
]]

--- A private folder that goes when its variable does; the journal is in `/j` of it.
M.folder = child.folder

---@param place { path: string }
---@return host.journal.journal
function M.open(place)
  return assert(journal.open(place.path .. "/j", M.KEY, M.BINDING))
end

local function python(place, script, argument, name)
  local file = place.path .. "/j/" .. (name or "journal.db")
  local run <close> = assert(process.start { "/usr/bin/python3", "-c", script, file, argument })
  return run:line(20)
end

--- What the database holds, as anybody may read it.
---@param statement string giving one value
---@return string
function M.query(place, statement)
  return python(place, "import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute(sys.argv[2]).fetchone()[0])",
    statement)
end

--- Leave a database in the journal's folder as a process does that is killed while it changes the database: its
--- rollback journal is there still. Without syncing, the rollback journal is complete before the change is.
---@param name string
function M.interrupt(place, name)
  assert(python(place, [[
import os, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
for text in ("PRAGMA synchronous = OFF", "BEGIN IMMEDIATE", "UPDATE meta SET value = x'00'"):
    database.execute(text)
print("begun", flush=True)
os._exit(0)
]], "", name) == "begun")
end

--- Change the database behind the journal's back. `step` is the chain's hash.
---@param statements string
---@param name string? of another database in the journal's folder
function M.tamper(place, statements, name)
  local done = python(place, [[
import hashlib, sqlite3, struct, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
def step(before, seq, time, kind, body):
    kind, body = kind.encode(), body.encode()
    data = before + struct.pack(">QdQ", seq, time, len(kind)) + kind + struct.pack(">Q", len(body)) + body
    return hashlib.sha256(data).digest()
database.create_function("step", 5, step)
database.executescript(sys.argv[2])
print("done")
]], statements, name)
  assert(done == "done", "the database could not be changed")
end

--- Write a profile whose journal that is, for the program itself: `--config` in the place's folder.
---@param place moonlatch.place
---@param more string? members of the profile
---@return string path
function M.profile(place, more)
  place:write("key", "0123456789abcdef0123456789abcdef")
  return place:write(".config/moonlatch/moonlatch.lua", ([[return { profiles = { contoso = {
    tenant = "contoso.onmicrosoft.com", state = "%s/j", key = { from = "file", path = "%s/key" }, %s
  } } }]]):format(place.path, place.path, more or ""))
end

--- All bytes of all files in the journal's folder.
---@return string
function M.bytes(place)
  local parts = {}
  for _, name in ipairs(assert(sys.list(place.path .. "/j"))) do
    local file <close> = assert(io.open(place.path .. "/j/" .. name, "rb"))
    parts[#parts + 1] = file:read("a")
  end
  return table.concat(parts)
end

--- Put something of everything into the journal: audit records 1 to 8.
function M.fill(place)
  local j <close> = M.open(place)
  local old <close> = secret.from("old value of it")
  local new <close> = secret.from("new value of it")
  j:put("intent", "a", "intent", { step = 1 }, 1000)
  j:put("intent", "b", "intent", { step = 1 }, 1001)
  j:put("intent", "a", "sent", { step = 2 }, 1002)
  j:seal("a", old)
  j:seal("b", new)
  j:audit("note", { text = "six" }, 1005)
  j:forget("a")
  j:audit("note", { text = "eight" }, 1007)
  assert(j:commit())
end

return M
