--- Tell by mail, through the machine's sendmail(1).
--
-- In the profile: programs = { sendmail = { "/usr/sbin/sendmail", "-t", "-i" } }.

local fail = require "fail"
local notice = require "notice"
local program = require "program"

return {
  summary = "Tell by mail, through the machine's sendmail",

  args = {
    to = { type = "list", required = true, help = "addresses of those who are told" },
    program = { type = "string", default = "sendmail", help = "the name that the profile gives sendmail" },
    from = { type = "string", help = "address of the sender (default: what sendmail puts)" },
  },

  needs = { run = { "{program}" } },

  tell = function(told, args)
    local result = program.run(args.program, {}, {
      input = notice.mail(told, { to = args.to, from = args.from }),
    })
    if result.status == 0 then return end
    fail.raise {
      kind = "refused", what = "send a mail with sendmail",
      why = ("it ended with status %d: %s"):format(result.status, result.output:sub(1, 200)),
      fix = "Look at the mail system's log, and at `programs` of the profile.",
    }
  end,
}
