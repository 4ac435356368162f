--- Go through the items of a list that Graph returns in pages.
---
--- While one page is used, the next page is fetched; at most two pages are in memory. The link to a page is in the page
--- before it, so several pages cannot be fetched at once.

local call = require "graph.call"
local class = require "base.class"
local json = require "host.json"
local task = require "task"
local time = require "time"

local M = {}

---@class graph.pages
---@field call graph.call
---@field page table? the present page
---@field coming Task? the task that fetches the next page
---@field link string? the link to the next page
---@field marked string? an earlier link, to notice links that lead in a circle
---@field count integer pages so far
---@field empty integer pages without an item, in a row
---@field waited number seconds spent waiting for pages
---@field eager boolean is the next page fetched while the present page is used?
local Pages = class "graph.pages"

local MOST_EMPTY_PAGES = 100 -- pages in a row
local LONGEST_WAIT = 3600 -- seconds of waiting for all pages of a list

function Pages:close()
  if self.coming then self.coming:cancel() end
  self.coming = nil
end

Pages.__close = Pages.close

local function check_graph_page(first, page)
  if type(page) == "table" and type(page.value) == "table" then return page end
  call.raise(first, { kind = "bad_answer", message = "the answer is no page: it has no list called value" })
end

-- Raise a failure when the links lead in a circle. The link of every page whose number is a power of two is remembered;
-- a circle comes back to that link (Brent's algorithm). So one link is kept instead of all links.
local function check_link_circle(self, link)
  if link == self.marked then
    call.raise(self.call, { kind = "bad_answer", message = "a next page's link leads back to a page already read" })
  end
  if self.count & (self.count - 1) == 0 then self.marked = link end
end

-- The link to the next page; nil at the end of the list. A malformed link raises a failure, because it is not the end.
local function next_page_link(self)
  local link = self.page["@odata.nextLink"]
  if link == nil or link == json.null then return nil end
  if type(link) ~= "string" then
    call.raise(self.call, { kind = "bad_answer", message = "the next page's link is no text" })
  end
  self.count = self.count + 1
  check_link_circle(self, link)
  return link
end

local function fetch_page(first, link)
  return check_graph_page(first, (call.perform(call.page(link, first))))
end

function Pages:prefetch()
  self.link = next_page_link(self)
  self.coming = self.link and self.eager and task.spawn(fetch_page, self.call, self.link) or nil
end

function Pages:first()
  local page = call.perform(self.call)
  if self.call.options.bare and type(page) == "table" and page.value == nil and next(page) then
    page = { value = { page } }
  end
  return page and check_graph_page(self.call, page) or { value = {} }
end

-- Raise a failure when too many pages in a row are empty, or all pages together take too long.
local function check_page_limits(self)
  self.empty = #self.page.value == 0 and self.empty + 1 or 0
  if self.empty >= MOST_EMPTY_PAGES then
    call.raise(self.call, { kind = "bad_answer",
      message = ("%d pages in a row were empty, and there is a link to more"):format(MOST_EMPTY_PAGES) })
  end
  if self.waited > LONGEST_WAIT then
    call.raise(self.call, { kind = "bad_answer",
      message = ("its pages took %d seconds, and there are more"):format(math.floor(self.waited)) })
  end
end

-- The next page, or nil after the last.
function Pages:next()
  local before, began = self.page, time.monotonic()
  self.page = nil -- not in memory while the next page comes
  if self.coming and not self.coming.cancelled then -- a task is cancelled when the loop of its session ends
    local coming = self.coming
    self.page = coming:wait()
    self.coming = nil
  elseif self.link then
    self.page = fetch_page(self.call, self.link)
  elseif not before and self.count == 0 then
    self.page = self:first()
  else
    return nil
  end
  self.waited = self.waited + time.monotonic() - began
  self:prefetch()
  if self.link then check_page_limits(self) end
  return self.page
end

--- The pages of a list.
---@param path string
---@param options graph.options?
---@param eager boolean fetch the next page while the present page is used?
---@return graph.pages
function M.of(path, options, eager)
  return Pages {
    call = call.new("GET", path, nil, options), count = 0, empty = 0, waited = 0, eager = eager,
  }
end

--- An iterator over the items of all pages, for a generic `for`. The iterator does not keep an item that it returned.
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
