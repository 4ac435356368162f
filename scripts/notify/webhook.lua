--- Tell by a webhook, as Standard Webhooks (https://www.standardwebhooks.com) describes it.
--
-- In the profile: peers = { notices = { url = "https://…", credential = { webhook = { from = "sealed" } } } }, then
-- `moonlatch login --secret peer-notices` for the secret that the receiver shows ("whsec_…").

local peer = require "peer"

return {
  summary = "Tell by a webhook, signed as Standard Webhooks describes",

  args = { peer = { type = "string", default = "notices", help = "the name that the profile gives the webhook" } },
  needs = { peers = { ["{peer}"] = { "POST /" } } },

  tell = function(notice, args)
    peer[args.peer]:post("/", { type = "moonlatch." .. notice.kind, timestamp = notice.at, data = notice }, {
      what = "send a notice to the webhook", id = notice.id,
    })
  end,
}
