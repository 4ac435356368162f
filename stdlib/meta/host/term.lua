---@meta host.term
--- Write to the terminal and read from it. All output for a person passes this module, which masks secrets.

error("this describes a native module for editors and help; it is not to be required")

local M = {}
--- Write text to standard output ("out") or standard error ("err"), redacted by value. Of control
--- characters only newline, tab, a return before a newline, and colours are let through; what else steers a terminal
--- (also marks for the direction of reading) becomes "?". When the reader of standard output has closed the pipe and
--- no journal is open, the process ends by SIGPIPE.
---@param stream "out"|"err"|"terminal" terminal: standard error where that is one, else the terminal that the program
--- runs in, else standard error
---@param text string
---@return boolean|nil ok, string? message
function M.write(stream, text) end
--- Write lines of data (CSV) to standard output, redacted by value. What steers a terminal is kept, unless standard
--- output is one.
---@param text string
---@return boolean|nil ok, string? message
function M.write_data(text) end
--- Clear the line of the cursor, on standard error.
---@return boolean|nil ok, string? message
function M.clear() end
--- Why standard output did not take all that was written to it; nil when it did, or when who
--- read it had enough (a closed pipe).
---@return string|nil message
function M.lost() end
--- Is a stream a terminal?
---@param stream "in"|"out"|"err"
---@return boolean
function M.is_terminal(stream) end
--- The number of columns that a text takes on a terminal, by libc's wcwidth, and the number of its bytes that fit into
--- `most` columns. Colours take no column; a control character, or a byte that is no UTF-8, takes one column.
---@param text string
---@param most integer? (no limit)
---@return integer columns, integer bytes
function M.text_width(text, most) end
--- The width of the terminal.
---@return integer columns (80 when unknown)
function M.width() end
--- The height of the terminal.
---@return integer lines (24 when unknown)
function M.height() end
--- Prompt on the terminal; nil at end of input or interrupt.
---@param prompt string
---@return string|nil
function M.read_line(prompt) end
--- Prompt on /dev/tty without echo.
---@param prompt string
---@return host.secret|nil, string? message, "empty"|"interrupted"|"terminal"|nil kind
function M.read_secret(prompt) end
--- Is there a terminal that can show a secret and clear it again?
---@return boolean
function M.can_reveal() end
--- Show a secret on the terminal's alternate screen below `heading`, until Enter is pressed; then clear the screen. The
--- caller puts this on record (audit).
---@param heading string
---@param value host.secret
---@return boolean|nil shown, string? message
function M.reveal(heading, value) end

return M
