--- Rules for notices, to copy and edit: `moonlatch scripts copy notices/team`, then `moonlatch notify notices/team`.

local notice = require "notice"

return notice {
  summary = "Tell the team by its webhook what expires, which rotations failed, and what the doctor finds",

  rules = {
    {
      to = "notify/webhook",
      what = {
        expiring = { first = { "30d", "7d", "1d" } }, -- told at each of these spans before it, and at the date
        rotation = { again = "1d" }, -- told again each day while it stays
        doctor = { least = "critical" }, -- what does not work; warnings are left out
      },
      digest = "1h", -- at most one notice an hour
      alive = "30d", -- a sign of life when nothing was told for so long
    },
  },
}
