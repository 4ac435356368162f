--- Write a manual page in the man(7) language.

local class = require "base.class"

local M = {}

---@class manual.Page
---@field lines string[]
local Page = class("manual.Page", { open = "all" })

-- Escape a text: groff reads a backslash as an escape, "-" as a hyphen, and "." or "'" at the beginning of a line as a
-- request. Characters beyond ASCII are named, since not every groff reads UTF-8.
local function escape(text)
  text = text:gsub("\\", "\\e"):gsub("%-", "\\-")
  text = text:gsub(utf8.charpattern, function(char)
    local code = utf8.codepoint(char)
    return code > 127 and ("\\[u%04X]"):format(code) or nil
  end)
  return (text:gsub("^[.']", "\\&%0"):gsub("\n([.'])", "\n\\&%1"))
end

--- A text in bold, for the head of an item.
---@param text string
---@return string
function M.bold(text) return "\\fB" .. escape(text) .. "\\fR" end

--- A text in italics.
---@param text string
---@return string
function M.italic(text) return "\\fI" .. escape(text) .. "\\fR" end

--- A text as it is.
---@param text string
---@return string
function M.plain(text) return escape(text) end

--- Begin a page.
---@param fields { name: string, section: integer, summary: string, date: string, version: string }
---@return manual.Page
function M.page(fields)
  local page = Page { lines = {} }
  page:add((".TH %s %d %s \"moonlatch %s\" \"Moonlatch\""):format(escape(fields.name:upper()), fields.section,
    fields.date, fields.version))
  page:add ".nh"
  page:add ".ad l"
  page:add ".SH NAME"
  page:add(("%s \\- %s"):format(escape(fields.name), escape(fields.summary)))
  return page
end

--- Add a line of man(7).
---@param line string
function Page:add(line) self.lines[#self.lines + 1] = line end

--- Begin a section.
---@param title string
function Page:section(title)
  self:add(".SH " .. escape(title:upper()))
end

--- Begin a part of a section.
---@param title string
function Page:part(title) self:add('.SS "' .. escape(title) .. '"') end

--- Lines that stay as they are: commands, Lua.
---@param lines string[]
---@param is_first boolean? does it follow a head?
function Page:code(lines, is_first)
  if not is_first then self:add ".PP" end
  self:add ".in +2n"
  self:add ".nf"
  for _, line in ipairs(lines) do self:add(line == "" and "\\&" or escape(line)) end
  self:add ".fi"
  self:add ".in"
end

local function is_code(line) return line:match "^%s%s+%S" ~= nil end

-- Add the words of lines as one paragraph; `request` begins it.
local function add_paragraph(page, lines, request)
  if request then page:add(request) end
  page:add(escape(table.concat(lines, "\n")))
end

--- A text of paragraphs, which empty lines part. Lines that begin with two spaces stay as they are.
---@param text string
---@param is_first boolean? does it follow a head, so that no request begins the first paragraph?
function Page:text(text, is_first)
  local words, code = {}, {}
  local function flush()
    if words[1] then add_paragraph(self, words, not is_first and ".PP" or nil) end
    if code[1] then self:code(code, is_first and not words[1]) end
    is_first = is_first and not (words[1] or code[1])
    words, code = {}, {}
  end
  for line in (text .. "\n"):gmatch "(.-)\n" do
    if line == "" or is_code(line) ~= (code[1] ~= nil) then flush() end
    if line ~= "" then table.insert(is_code(line) and code or words, is_code(line) and line:sub(3) or line) end
  end
  flush()
end

--- An item of a list: a head, which is man(7), and what it means.
---@param head string
---@param text string
function Page:item(head, text)
  self:add ".TP"
  self:add(head)
  self:add(escape((text:gsub("\n%s*", "\n"))))
end

--- The whole page.
---@return string
function Page:whole() return table.concat(self.lines, "\n") .. "\n" end

return M
