--- Describe a request in one line, for --verbose and `trace`. Headers and body are left out, so that no secret is
--- printed.

local M = {}

--- Path and query of a request, without its host.
---@param request host.request
---@return string
function M.path_and_query(request)
  return request:url():match("^%a+://[^/]+(/.*)$") or request:url()
end

local function body_size_text(answer)
  local bytes = answer:size()
  if bytes == 0 then return "" end
  return bytes < 1024 and ("%d B"):format(bytes) or ("%.1f KB"):format(bytes / 1024)
end

--- A request and its outcome in one line: "GET    /v1.0/me  200  34 ms  310 B".
---@param request host.request
---@param answer host.answer?
---@param kind string? the kind of failure, when no answer came
---@param seconds number that the request took
---@return string
function M.line(request, answer, kind, seconds)
  local outcome = answer and tostring(answer:status()) or tostring(kind)
  local text = ("%-6s %s  %s  %.0f ms  %s"):format(request:method(), M.path_and_query(request), outcome, seconds * 1000,
    answer and body_size_text(answer) or "")
  return (text:gsub("%s+$", ""))
end

return M
