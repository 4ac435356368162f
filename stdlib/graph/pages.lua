--- Lists that come in pages, as iterators over their items.
---
--- While one page is used, the next one is fetched; at most two are in memory. Each page's link is in the page before,
--- so fetching further ahead could not be faster, and a million items take the memory of two thousand.

local call = require "graph.call"
local class = require "base.class"
local json = require "host.json"
local task = require "task"
local time = require "time"

local M = {}

---@class graph.pages
---@field call graph.call
---@field page table?
---@field coming Task?
---@field link string? to the next page
---@field marked string? an earlier link, to notice circles
---@field count integer pages so far
---@field empty integer pages without an item, in a row
---@field waited number seconds spent waiting for pages
---@field eager boolean
local Pages = class "graph.pages"

local MOST_EMPTY = 100 -- pages in a row
local LONGEST = 3600 -- seconds of waiting for all pages of a list

function Pages:close()
  if self.coming then self.coming:cancel() end
  self.coming = nil
end

Pages.__close = Pages.close

local function check_page(first, page)
  if type(page) == "table" and type(page.value) == "table" then return page end
  call.raise(first, { kind = "bad_answer", message = "the answer is no page: it has no list called value" })
end

-- Raise a failure when links lead in a circle. A circle comes back to a marked link. Marking at powers of two finds any
-- circle (Brent), and needs one link instead of all.
local function check_circle(self, link)
  if link == self.marked then
    call.raise(self.call, { kind = "bad_answer", message = "a next page's link leads back to a page already read" })
  end
  if self.count & (self.count - 1) == 0 then self.marked = link end
end

-- The link to the next page. A malformed link must not pass for the end of the list.
local function link_of(self)
  local link = self.page["@odata.nextLink"]
  if link == nil or link == json.null then return nil end
  if type(link) ~= "string" then
    call.raise(self.call, { kind = "bad_answer", message = "the next page's link is no text" })
  end
  self.count = self.count + 1
  check_circle(self, link)
  return link
end

local function fetch(first, link)
  return check_page(first, (call.perform(call.page(link, first))))
end

function Pages:prefetch()
  self.link = link_of(self)
  self.coming = self.link and self.eager and task.spawn(fetch, self.call, self.link) or nil
end

function Pages:first()
  local page = call.perform(self.call)
  return page and check_page(self.call, page) or { value = {} }
end

-- A service that sends page after page without an end, or without items, is not waited for: the list is not known.
local function check_limits(self)
  self.empty = #self.page.value == 0 and self.empty + 1 or 0
  if self.empty >= MOST_EMPTY then
    call.raise(self.call, { kind = "bad_answer",
      message = ("%d pages in a row were empty, and there is a link to more"):format(MOST_EMPTY) })
  end
  if self.waited > LONGEST then
    call.raise(self.call, { kind = "bad_answer",
      message = ("its pages took %d seconds, and there are more"):format(math.floor(self.waited)) })
  end
end

-- The next page, or nil after the last.
function Pages:next()
  local before, began = self.page, time.monotonic()
  self.page = nil -- not in memory while the next page comes
  if self.coming and not self.coming.cancelled then -- it is cancelled when the loop it ran in has ended
    local coming = self.coming
    self.page = coming:wait()
    self.coming = nil
  elseif self.link then
    self.page = fetch(self.call, self.link)
  elseif not before and self.count == 0 then
    self.page = self:first()
  else
    return nil
  end
  self.waited = self.waited + time.monotonic() - began
  self:prefetch()
  if self.link then check_limits(self) end
  return self.page
end

--- The pages of a list.
---@param path string
---@param options graph.options?
---@param eager boolean fetch ahead?
---@return graph.pages
function M.of(path, options, eager)
  return Pages {
    call = call.new("GET", path, nil, options), count = 0, empty = 0, waited = 0, eager = eager,
  }
end

--- An iterator over the items of all pages, for a generic for. An item that was returned is not kept.
---@param pages graph.pages
function M.items(pages)
  local list, place, count = {}, 0, 0
  local function next_item()
    while place >= count do
      local page = pages:next()
      if not page then return nil end
      list, place, count = page.value, 0, #page.value
    end
    place = place + 1
    local item = list[place]
    list[place] = false
    return item
  end
  return next_item, nil, nil, pages
end

return M
