--- Write HTML and SVG. Texts become text, whatever they hold: every one passes one escaper, and only elements that this
--- module made are markup.

local class = require "base.class"
local sets = require "base.sets"
local sys = require "host.sys"

local M = {}

---@class report.html.node markup
---@field markup string
local Node = class "report.html.node"

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;", ["'"] = "&#39;" }

-- Characters that change the direction of the text after them: U+061C, U+200E, U+200F, U+202A to U+202E, U+2066 to
-- U+2069.
local DIRECTIONS = { "\xD8\x9C", "\xE2\x80[\x8E\x8F\xAA-\xAE]", "\xE2\x81[\xA6-\xA9]" }

--- A text as it is written in HTML, also in an attribute. Control characters become spaces, and characters that change
--- the direction of the text after them become U+FFFD.
---@param text any
---@return string
function M.escape(text)
  text = tostring(text):gsub("[&<>\"']", ENTITIES):gsub("%c", " ")
  for _, pattern in ipairs(DIRECTIONS) do text = text:gsub(pattern, "\u{FFFD}") end
  return text
end

--- Markup as it is written: a style, or what was made here before.
---@param markup string
---@return report.html.node
function M.markup(markup) return Node { markup = markup } end

local VOID = sets.of { "meta", "br" }

local function attributes_text(content)
  local names, parts = {}, {}
  for name, value in pairs(content) do
    if type(name) == "string" and value ~= false then names[name] = true end
  end
  for i, name in ipairs(sets.sorted(names)) do parts[i] = (' %s="%s"'):format(name, M.escape(content[name])) end
  return table.concat(parts)
end

-- A list among the children stands for its members; `false` is left out.
local function add_children(parts, list)
  for _, child in ipairs(list) do
    if class.is(child, Node) then parts[#parts + 1] = child.markup
    elseif type(child) == "table" then add_children(parts, child)
    elseif child then parts[#parts + 1] = M.escape(child) end
  end
end

--- An element: `tag.p { class = "note", "a text", tag.b { "and an element" } }`. Members with a name are attributes,
--- the others are children: texts, numbers, elements, lists of these. `false` is left out; nil ends the children.
---@type table<string, fun(content: table): report.html.node>
M.tag = setmetatable({}, { __index = function(tags, name)
  local function make(content)
    local parts = { "<", name, attributes_text(content), ">" }
    if not VOID[name] then
      add_children(parts, content)
      parts[#parts + 1] = ("</%s>"):format(name)
    end
    return Node { markup = table.concat(parts) }
  end
  rawset(tags, name, make)
  return make
end })

--- A name from outside, isolated from the direction of the text around it.
---@param text any
---@return report.html.node
function M.name(text) return M.tag.bdi { text } end

--- The style that all pages share: colours, light and dark, and text. Variables name the colours: `--ink`.
---@return string
function M.base_style() return assert(sys.embedded "stdlib/report/base.css") end

--- A whole page.
---@param element report.html.node the element `html`
---@return string
function M.page(element) return "<!DOCTYPE html>\n" .. element.markup .. "\n" end

return M
