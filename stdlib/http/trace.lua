--- A request in one line, for who wants to see what passes. It names no secret: what
--- carries one, the headers and the body, is left out.

local M = {}

--- Path and query of a request, without its host.
---@param request host.request
---@return string
function M.where(request)
  return request:url():match("^%a+://[^/]+(/.*)$") or request:url()
end

local function size_of(answer)
  local bytes = tonumber(answer:header "content-length")
  if not bytes then return "" end
  return bytes < 1024 and ("%d B"):format(bytes) or ("%.1f KB"):format(bytes / 1024)
end

--- "GET    /v1.0/me  200  34 ms  310 B".
---@param request host.request
---@param answer host.answer?
---@param kind string? of the failure, where no answer came
---@param seconds number it took
---@return string
function M.line(request, answer, kind, seconds)
  local came = answer and tostring(answer:status()) or tostring(kind)
  local text = ("%-6s %s  %s  %.0f ms  %s"):format(request:method(), M.where(request), came, seconds * 1000,
    answer and size_of(answer) or "")
  return (text:gsub("%s+$", ""))
end

return M
