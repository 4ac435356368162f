--- What a policy says that is allowed and probably not meant. Looks at the checked terms only: sends no request.

local policy_select = require "policy.select"
local time = require "time"

local M = {}

local DAY = 86400
local SHORT_PASSWORD = 16

---@class policy.remark
---@field where string the member: "limits.canary"
---@field why string
---@field fix string

-- A selection by role or attributes may reach accounts that are refused. One by group or name is somebody's choice.
local function refusal_rule(reason, text, taken)
  return function(terms)
    if terms.accept[reason] or not policy_select.adds(terms.select, { role = true, where = true }) then return end
    if policy_select.takes_away(terms.select, { [reason] = true }) then return end
    return "select", text .. " among the accounts is refused, and the run then exits with 1",
      ('Take these away: select = … - %s; or expect the refusal: accept = { "%s" }.'):format(taken, reason)
  end
end

-- Each rule returns the member, what is remarkable, and what to do; nothing when all is well.
local USERS = {
  function(terms)
    if #terms.never > 0 or policy_select.takes_away(terms.select, { upn = true, group = true }) then return end
    return "never", "nobody is named whose password is never changed: a mistake in `select` may reach a break-glass "
      .. "account", 'Name these accounts: never = { "breakglass@…" }.'
  end,
  function(terms)
    if terms.jitter > 0 or terms.every < DAY then return end
    return "jitter", "accounts that were changed together become due together, each time",
      'Spread them: jitter = "3d".'
  end,
  function(terms)
    if terms.password.length >= SHORT_PASSWORD then return end
    return "password.length", ("%d characters are few for a password that nobody types")
      :format(terms.password.length), "Leave it out: 32 is the default."
  end,
  refusal_rule("guest", "a guest", "policy.guests()"),
  refusal_rule("synced", "an account synced from on-premises", "policy.synced()"),
  function(terms)
    if not policy_select.takes_away(terms.select, { where = true }) then return end
    return "select", "`where` behind - takes nobody away when no account has these attributes, as of a misspelt value",
      "Name accounts that must not be changed in `never`."
  end,
}

local APPLICATIONS = {
  function(terms)
    if terms.lifetime >= terms.every + terms.grace then return end
    return "lifetime", ("a secret expires %s after its successor was made, before its grace of %s is over")
      :format(time.span(terms.lifetime - terms.every), time.span(terms.grace)),
      "Make `lifetime` at least as long as `every` and `grace` together."
  end,
}

local ALL = {
  function(terms)
    if not terms.window or terms.every >= DAY then return end
    return "window", ("between two windows more than %s may pass, so what is due waits"):format(time.span(terms.every)),
      "Make `every` a day or longer, or leave the window out."
  end,
  function(terms)
    if terms.limits.canary > 0 then return end
    return "limits.canary", "no change is tried alone first, so what fails may fail for many at once",
      "Write canary = 1."
  end,
  function(terms)
    if terms.limits.stop_on_failure then return end
    return "limits.stop_on_failure", "after a failure the run goes on with the others",
      "Leave it out, unless each failure has a cause of its own."
  end,
}

--- The remarks on a policy, in the order of its members.
---@param terms policy.terms
---@return policy.remark[]
function M.remarks(terms)
  local list = {}
  for _, rules in ipairs { terms.target == "users" and USERS or APPLICATIONS, ALL } do
    for _, rule in ipairs(rules) do
      local where, why, fix = rule(terms)
      if where then list[#list + 1] = { where = where, why = why, fix = fix } end
    end
  end
  return list
end

return M
