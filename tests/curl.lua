--- curl as the client of a server that runs in this very process: it is started
-- in the background, and the server gets its turns until curl is done.

local M = {}

--- Exit statuses of curl whose connection ended before the answer, and in the answer. curl 8 with OpenSSL 3.5 says 56
--- of both: the connection ended without the end of TLS.
M.DROPPED = { [52] = true, [56] = true }
M.CUT = { [18] = true, [56] = true }

local function quote(text)
  return "'" .. tostring(text):gsub("'", "'\\''") .. "'"
end

local function read_file(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  return text
end

---@class curl.job
---@field path string
---@field seconds integer
local Job = {}
Job.__index = Job

--- Remove what the program wrote.
function Job:__close()
  os.execute("rm -rf " .. quote(self.path))
end

--- Has it ended?
---@return boolean
function Job:done()
  return read_file(self.path .. "/exit") ~= nil
end

--- What the program left: exit status, standard output, standard error, response head.
function Job:result()
  return {
    exit = tonumber(read_file(self.path .. "/exit")),
    out = read_file(self.path .. "/out"),
    err = read_file(self.path .. "/err"),
    head = read_file(self.path .. "/head") or "",
    status = tonumber((read_file(self.path .. "/head") or ""):match("HTTP/1.1 (%d+)")),
  }
end

--- Start a program in the background, its environment empty.
---@param words string[]
---@param environment table<string, string>?
---@param seconds integer? how long it may take (30)
---@return curl.job
function M.program(words, environment, seconds)
  local pipe <close> = assert(io.popen("mktemp -d"))
  local path = pipe:read("l")
  local line = { "env -i PATH=/usr/bin:/bin HOME=" .. quote(path) }
  for name, value in pairs(environment or {}) do line[#line + 1] = name .. "=" .. quote(value) end
  seconds = seconds or 30
  line[#line + 1] = "timeout " .. seconds
  for _, word in ipairs(words) do line[#line + 1] = quote(word):gsub("@PATH@", path) end
  local command = table.concat(line, " ")
  os.execute(("(cd %s; %s >out 2>err </dev/null; echo $? >code; mv code exit) &"):format(quote(path), command))
  return setmetatable({ path = path, seconds = seconds }, Job)
end

--- Start curl with these arguments.
---@param ... string
---@return curl.job
function M.start(...)
  return M.program({ "curl", "-sS", "-D", "@PATH@/head", ... })
end

--- Give the server turns until the job is done, and return what it left.
---@param job curl.job
---@param turn fun(ms: integer) serves for at most that long
function M.finish(job, turn)
  local started = os.time()
  while not job:done() do
    if os.time() - started > job.seconds + 10 then error("the client did not end") end
    turn(20)
  end
  local result = job:result()
  job:__close()
  return result
end

--- Run curl to its end while the server gets turns.
---@param turn fun(ms: integer)
---@param ... string
function M.run(turn, ...)
  return M.finish(M.start(...), turn)
end

return M
