--- The pages that a browser shows when it comes back from a sign-in.

local html = require "report.html"

local M = {}

local FRAME = [[
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Moonlatch: %s</title>
<style>
body { font: 1.1rem/1.5 system-ui, sans-serif; max-width: 34rem; margin: 20vh auto; padding: 0 1.5rem;
  color: #1d2433; background: #fff }
h1 { font-size: 1.5rem; margin-bottom: .5rem }
@media (prefers-color-scheme: dark) { body { color: #e7eaf2; background: #151925 } }
</style>
</head>
<body>
<h1>%s</h1>
<p>%s</p>
</body>
</html>
]]

local function frame(heading, text)
  return FRAME:format(heading, heading, text)
end

--- Headers so that browsers store nothing of these pages, load nothing, and tell nobody their address, which contains a
--- code.
---@return table<string, string>
function M.headers()
  return {
    ["Content-Type"] = "text/html; charset=utf-8", ["Cache-Control"] = "no-store", ["Referrer-Policy"] = "no-referrer",
    ["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ["X-Content-Type-Options"] = "nosniff",
  }
end

--- The sign-in succeeded: the person may close the window.
---@return string
function M.done()
  return frame("You are signed in", "Moonlatch goes on in the terminal. You can close this page.")
end

--- The sign-in failed.
---@param message string
---@return string
function M.failed(message)
  return frame("The sign-in did not succeed", html.escape(message) .. "<br>The terminal says what to do.")
end

--- The answer belongs to another sign-in, perhaps an older one.
---@return string
function M.another()
  return frame("This does not belong to the sign-in that is under way",
    "Open the page that the terminal names, in one browser window.")
end

--- The address leads to nothing here.
---@return string
function M.nothing()
  return frame("There is nothing here", "Moonlatch only waits here for a sign-in to come back.")
end

--- Another user asked: the page does not say what it is for.
---@return string
function M.stranger()
  return frame("This page is for this computer only", "Moonlatch only waits here for a sign-in to come back.")
end

return M
