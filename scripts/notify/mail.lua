--- Tell by mail, sent by Microsoft Graph from a mailbox of Exchange Online.
--
-- Graph's application permission Mail.Send lets an application send as anybody in the tenant. So let an application of
-- its own have it, never the one that rotates, and let it send from one mailbox only: in Exchange Online PowerShell,
-- RBAC for Applications (New-ServicePrincipal, New-ManagementScope, New-ManagementRoleAssignment -Role "Application
-- Mail.Send" -App … -CustomResourceScope …). Do not consent to Mail.Send in Entra then: the two add up.
-- https://learn.microsoft.com/exchange/permissions-exo/application-rbac
--
-- In the configuration: a profile of its own, with the tenant, state and key of the profile that rotates, and the
-- sign-in of that application. It looks at the journal, and signs in to send only:
--
--   moonlatch notify notices/mail --offline --profile mail

local graph = require "graph"

local function recipients(addresses)
  local list = {}
  for i, address in ipairs(addresses) do list[i] = { emailAddress = { address = address } } end
  return list
end

return {
  summary = "Tell by mail, sent by Microsoft Graph from a mailbox (Mail.Send: use an application of its own)",

  args = {
    mailbox = { type = "string", required = true, help = "user name or id of the mailbox that sends" },
    to = { type = "list", required = true, help = "addresses of those who are told" },
  },

  needs = { graph = { "POST /users/{id}/sendMail" }, scopes = { "Mail.Send" } },

  -- Graph accepts the message, and does not say whether it arrives.
  tell = function(notice, args)
    graph.post(graph.path("/users/{id}/sendMail", args.mailbox), {
      message = {
        subject = notice.title, body = { contentType = "Text", content = notice.text },
        toRecipients = recipients(args.to),
      },
      saveToSentItems = false,
    }, { what = ("send a mail from %s"):format(args.mailbox) })
  end,
}
