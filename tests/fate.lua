--- Playing worlds of tests/fate.

local json = require "host.json"

local M = {}

--- What went wrong in these worlds, each with its seed.
---@param words string options of fate.py
---@return string[]
function M.problems(words)
  local problems, count = {}, 0
  local pipe <close> = assert(io.popen(("python3 -B '%s/tests/fate/fate.py' %s"):format(SOURCE, words)))
  for line in pipe:lines() do
    local result = assert(json.decode(line))
    count = count + 1
    for _, text in ipairs(result.problems) do
      problems[#problems + 1] = ("seed %d: %s"):format(result.seed, text)
    end
  end
  return count > 0 and problems or { "no world was played" }
end

return M
