---@meta host.process
--- Start other programs, by a list of arguments and without a shell.

error("this describes a native module for editors and help; it is not to be required")

---@class host.process.child
local Child = {}
--- Read one line of the program's output, without the newline; nil at the end or after `seconds`.
---@param seconds number
---@return string|nil line, string? why "end" or "timeout"
function Child:line(seconds) end
--- Read the rest of the program's output as a secret, without one newline at the end.
---@param seconds number the time until the output must have ended
---@return host.secret|nil value, string? why "empty", "timeout" or "too long" (64 KiB)
function Child:secret(seconds) end
--- Read the rest of the program's output, redacted.
---@param seconds number the time until the output must have ended; 0: do not wait
---@param most integer bytes
---@return string|nil text, string? why "timeout" or "too long"
function Child:text(seconds, most) end
--- The program's standard error so far, redacted, at most 4 KiB; nil when it is empty or was not kept.
---@return string|nil
function Child:complaint() end
--- Wait for the end of the program, at most `seconds`, and return the exit status (128+n for signal n); nil while it
--- runs.
---@param seconds number
---@return integer|nil
function Child:wait(seconds) end
---@param signal "TERM"|"KILL"|"INT"|"HUP"
function Child:kill(signal) end
---@return integer
function Child:pid() end
--- Close the program's standard input, which tells a private emulator to exit, and wait for its end. A program that
--- runs two seconds later gets SIGTERM, and after two more seconds SIGKILL, together with the programs that it started.
function Child:close() end

local M = {}
--- Start one of the programs that Moonlatch itself uses (runtime/process_own.c); any other is refused,
--- and passes the gate by the name that the profile gives it. In the environment only a fixed PATH and LANG,
--- standard input a pipe (the secret, when given, is written to it and the pipe closed), output a pipe, standard
--- error ours.
--- It leads a process group of its own, so that Ctrl-C does not reach it.
---@param arguments string[] the first is an absolute path
---@param input host.secret?
---@param pass string[]? names of variables of our environment that the program gets, too
---@param errors "shown"|"kept"|nil the program's standard error: written to ours, or kept for `complaint`
---@return host.process.child|nil, string? message
function M.start(arguments, input, pass, errors) end
--- Start one of these programs in a session of its own, and do not wait for its end. Its standard streams are
--- /dev/null. The environment is that of `start`.
---@param arguments string[] the first is an absolute path
---@param pass string[]? names of variables of our environment that the program gets, too
---@return true|nil, string? message
function M.detach(arguments, pass) end

--- Show a text in a pager on our terminal, and wait until the person leaves the pager. The pager cannot start programs
--- or open other files (LESSSECURE=1). The text is cleaned and redacted as in `term.write`.
---@param arguments string[] "/usr/bin/less" or "/usr/bin/more", and its options
---@param text string
---@return integer|nil status, string? message also where standard output is no terminal
function M.page(arguments, text) end

--- Open a file in the person's editor on our terminal, and wait until the person leaves the editor. The variable VISUAL
--- or EDITOR names it, with options, and no shell reads them; a name without a folder is looked for in the fixed PATH.
--- Without these variables it is editor, nano or vi.
---@param path string
---@param pass string[] names of variables of our environment that the editor gets besides PATH and LANG
---@return integer|nil status, string? message also where there is no terminal
function M.edit(path, pass) end

return M
