--- Tell in a channel of Slack, by an incoming webhook (https://api.slack.com/messaging/webhooks).
--
-- In the profile: peers = { slack = { url = { from = "sealed" } } }, then `moonlatch login --secret peer-slack` for the
-- whole address, which is a secret.

local peer = require "peer"

local MOST = 30000 -- bytes of a text; Slack takes 40,000 characters

-- Names in a notice may be written by anybody: these three characters begin links and mentions.
local function escape(text)
  return (text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }))
end

return {
  summary = "Tell in a channel of Slack, by an incoming webhook",

  args = { peer = { type = "string", default = "slack", help = "the name that the profile gives the channel" } },
  needs = { peers = { ["{peer}"] = { "POST /" } } },

  tell = function(notice, args)
    local text = escape(notice.title .. "\n" .. notice.text)
    if #text > MOST then text = text:sub(1, utf8.offset(text, 0, MOST) - 1) .. "…" end
    peer[args.peer]:post("/", { text = text, mrkdwn = false }, { what = "send a notice to Slack" })
  end,
}
