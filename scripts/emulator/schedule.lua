--- What acts in the emulator by itself. Acts between two requests happen when the next request arrives, each at the
--- moment it was due, in that order, whoever acts.

local M = {}

---@class emulator.schedule.part
---@field next_act fun(self: table): number, function?, any the next act: its moment, what it does, on what
---@field seen number? until when everything was done

local function earliest(parts)
  local moment, act, whose, part = math.huge, nil, nil, nil
  for _, one in ipairs(parts) do
    local at, what, on = one:next_act()
    if at < moment then moment, act, whose, part = at, what, on, one end
  end
  return moment, function() act(part, whose, moment) end
end

--- Do what became due since the last call.
---@param parts emulator.schedule.part[]
---@param now number
---@param at fun(moment: number, act: fun()) calls `act` at a moment that has passed
function M.catch_up(parts, now, at)
  for _, part in ipairs(parts) do part.seen = part.seen or now end
  while true do
    local moment, act = earliest(parts)
    if moment > now then break end
    at(moment, act)
  end
  for _, part in ipairs(parts) do part.seen = now end
end

return M
