---@meta host.process
--- Other programs. Always an argument list, never a shell.

error("this describes a native module for editors and help; it is not to be required")

---@class host.process.child
local Child = {}
--- One line of its output, without the newline; nil at the end or after `seconds`.
---@param seconds number
---@return string|nil line, string? why "end" or "timeout"
function Child:line(seconds) end
--- All of its output that was not asked for yet, as a secret, less one newline at its end.
---@param seconds number until its output must have ended
---@return host.secret|nil value, string? why "empty", "timeout" or "too long" (64 KiB)
function Child:secret(seconds) end
--- All of its output that was not asked for yet, redacted.
---@param seconds number until its output must have ended; 0 looks only
---@param most integer bytes
---@return string|nil text, string? why "timeout" or "too long"
function Child:text(seconds, most) end
--- What it wrote to its standard error so far, redacted, at most 4 KiB; nil when nothing, or when it was not kept.
---@return string|nil
function Child:complaint() end
--- Exit status (128+n for signal n), waiting at most `seconds`.
---@param seconds number
---@return integer|nil
function Child:wait(seconds) end
---@param signal "TERM"|"KILL"|"INT"
function Child:kill(signal) end
---@return integer
function Child:pid() end
--- Close its input, which tells a private emulator to end; then collect it. What does not
--- end by itself in two seconds is terminated, and after two more killed, with what it started.
function Child:close() end

local M = {}
--- Start one of the programs that Moonlatch itself uses (runtime/process_own.c); any other is refused,
--- and passes the gate by the name that the profile gives it. In the environment only a fixed PATH and LANG,
--- standard input a pipe (the secret, when given, is written to it and the pipe closed), output a pipe, standard
--- error ours.
--- It leads a process group of its own, so that Ctrl-C does not reach it.
---@param arguments string[] the first is an absolute path
---@param input host.secret?
---@param pass string[]? names of variables of our environment that it gets too
---@param errors "shown"|"kept"|nil its standard error: ours, or kept for `complaint`
---@return host.process.child|nil, string? message
function M.start(arguments, input, pass, errors) end
--- Start one of these that goes on without us, in a session of its own: it hears
--- nothing, what it says is not shown, and how it ends is not asked. The environment is that of `start`.
---@param arguments string[] the first is an absolute path
---@param pass string[]? names of variables of our environment that it gets too
---@return true|nil, string? message
function M.detach(arguments, pass) end

--- Have one of these show a text on our terminal, and wait until the person leaves it. It cannot start anything or open
--- other files (LESSSECURE=1); the text is what `term.write` would show.
---@param arguments string[] "/usr/bin/less" or "/usr/bin/more", and its options
---@param text string
---@return integer|nil status, string? message also where standard output is no terminal
function M.page(arguments, text) end

return M
