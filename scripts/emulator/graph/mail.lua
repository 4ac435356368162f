--- Mail of an emulated tenant: it is accepted, and goes nowhere.
--- https://learn.microsoft.com/graph/api/user-sendmail

local access = require "emulator.graph.access"
local answer = require "emulator.graph.answer"
local users = require "emulator.graph.users"

local function check_message(message)
  if type(message) ~= "table" then answer.refuse(400, "ErrorInvalidRequest", "The message is missing.") end
  local to = message.toRecipients
  for _, recipient in ipairs(type(to) == "table" and to or {}) do
    local address = type(recipient) == "table" and recipient.emailAddress
    if type(address) == "table" and type(address.address) == "string" then return end
  end
  answer.refuse(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
end

-- A person sends from the own mailbox only; an application from any.
local function send(ctx, key)
  local user = users.find(ctx, key)
  if access.is_person(ctx) and user.id ~= ctx.caller.oid then
    answer.refuse(403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.")
  end
  check_message(ctx.body.message)
  return 202
end

return { routes = { ["POST /users/{id}/sendMail"] = send } }
