--- Tell in a channel of Microsoft Teams, by a workflow: the template "Post to a channel when a webhook request is
-- received". The workflow belongs to a person, and may be switched off when it is not used for 90 days: let the rule
-- send a sign of life (alive = "30d").
--
-- In the profile: peers = { teams = { url = { from = "sealed" } } }, then `moonlatch login --secret peer-teams` for the
-- whole address, which is a secret. Teams answers 202 when the workflow begins; whether it posts, Teams does not say.

local json = require "json"
local peer = require "peer"

-- A TextBlock would read Markdown, such as links, in names that anybody may write; a TextRun does not.
-- https://adaptivecards.io/explorer/TextRun.html
local function line(text, more)
  local run = { type = "TextRun", text = text }
  for name, value in pairs(more or {}) do run[name] = value end
  return { type = "RichTextBlock", inlines = { run } }
end

local COLORS = { critical = "Attention", warning = "Warning" }

local function item_lines(body, item)
  local color = item.state == "resolved" and "Good" or COLORS[item.severity]
  body[#body + 1] = line(item.title, { weight = "Bolder", color = color })
  if item.text then body[#body + 1] = line(item.text) end
  if item.fix then body[#body + 1] = line("What to do: " .. item.fix, { isSubtle = true }) end
end

local MOST = 24000 -- bytes of the card's lines; a message has at most 28 KB

local LEFT_OUT = "and %d more: `moonlatch expiring`, `moonlatch doctor` and `moonlatch journal list` tell of them"

-- Add the items, as many as there is room for.
local function add_items(body, items)
  for place, item in ipairs(items) do
    local before = #body
    item_lines(body, item)
    if #json.encode(body) > MOST then
      for i = #body, before + 1, -1 do body[i] = nil end
      body[#body + 1] = line(LEFT_OUT:format(#items - place + 1), { isSubtle = true })
      return
    end
  end
end

-- https://learn.microsoft.com/microsoftteams/platform/task-modules-and-cards/cards/cards-reference
local function card(notice)
  local body = { line(notice.title, { weight = "Bolder", size = "Medium" }) }
  add_items(body, notice.items)
  if #notice.items == 0 then body[2] = line(notice.text) end
  return { type = "AdaptiveCard", ["$schema"] = "http://adaptivecards.io/schemas/adaptive-card.json", version = "1.4",
    msteams = { width = "Full" }, body = body }
end

return {
  summary = "Tell in a channel of Microsoft Teams, by a workflow (Power Automate)",

  args = { peer = { type = "string", default = "teams", help = "the name that the profile gives the channel" } },
  needs = { peers = { ["{peer}"] = { "POST /" } } },

  tell = function(notice, args)
    peer[args.peer]:post("/", { type = "message",
      attachments = { { contentType = "application/vnd.microsoft.card.adaptive", content = card(notice) } },
    }, { what = "send a notice to Teams" })
  end,
}
