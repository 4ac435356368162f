--- What keeping a client secret and keeping a certificate have in common, within a workflow.

local fail = require "fail"
local time = require "time"

local M = {}

--- Stop at one that would be renewed before it begins: it would be renewed at each run.
---@param kind string "client secret"
---@param terms { lifetime: number, renew_before: number } seconds
---@param fix string? what to do; by default what the policy's limit leaves
function M.must_last(kind, terms, fix)
  local lifetime, renew_before = terms.lifetime, terms.renew_before
  if lifetime > renew_before then return end
  fail.raise {
    kind = "usage", what = "plan the " .. kind,
    why = ("it would live %s and be renewed %s before its end"):format(time.span(lifetime), time.span(renew_before)),
    fix = fix or ("Use --renew-before %dd or less."):format(lifetime // 86400 // 2),
  }
end

--- The same for what a person asked for.
---@param kind string
---@param args { lifetime: number?, renew_before: number }
function M.check_asked(kind, args)
  if args.lifetime then M.must_last(kind, args, "Make --lifetime longer or --renew-before shorter.") end
end

--- Until when it is good, for the plan.
---@param ends number
---@param renew_before number seconds
---@return string
function M.until_when(ends, renew_before)
  return ("until %s; renewed %s before"):format(time.day(ends), time.span(renew_before))
end

return M
