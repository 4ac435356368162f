--- The pages a browser shows when it comes back from a sign-in.

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

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

-- What comes from elsewhere is text here, never markup.
local function plain(text)
  return (text:gsub("[&<>\"']", ENTITIES))
end

local function frame(heading, text)
  return FRAME:format(heading, heading, text)
end

--- Nothing is kept of these pages, nothing is loaded by them, and the address,
--- which carries a code, is told to nobody.
---@return table<string, string>
function M.headers()
  return {
    ["Content-Type"] = "text/html; charset=utf-8", ["Cache-Control"] = "no-store", ["Referrer-Policy"] = "no-referrer",
    ["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    ["X-Content-Type-Options"] = "nosniff",
  }
end

--- The sign-in came back: the person may close the window.
---@return string
function M.done()
  return frame("You are signed in", "Moonlatch goes on in the terminal. You can close this page.")
end

--- The sign-in came back with a failure.
---@param message string
---@return string
function M.failed(message)
  return frame("The sign-in did not succeed", plain(message) .. "<br>The terminal says what to do.")
end

--- An answer to some other sign-in, an older one perhaps.
---@return string
function M.another()
  return frame("This does not belong to the sign-in that is under way",
    "Open the page that the terminal names, in one browser window.")
end

--- Somebody opened another address.
---@return string
function M.nothing()
  return frame("There is nothing here", "Moonlatch only waits here for a sign-in to come back.")
end

--- Somebody else asked: it is not said what waits here.
---@return string
function M.stranger()
  return frame("This page is for this computer only", "Moonlatch only waits here for a sign-in to come back.")
end

return M
