--- Credentials of applications, kept by a protocol that loses nothing: intent, sent, known (sealed), proven, stored or
-- handed over, confirmed; and the ones before it retiring until their date.
--
-- In a workflow it spans steps: made late, proven, brought to where it is used, and only then are the ones before it
-- let go. Each state is on record before the next is begun, so any run can go on where another stopped.

local credential = require "rotation.credential"
local options_of = require("base.options").of

local M = {}

local RULES = {
  application = "table", name = "string", policy = "table", lifetime = "number", renew_before = "number",
  every = "number", grace = "number", description = "string", by_hand = "boolean", sink = "table|boolean",
  renew = "string|boolean", old_now = "boolean", in_use = "string",
}

local read_secret = options_of("rotation.client_secret", RULES)
local read_certificate = options_of("rotation.certificate", RULES)

--- The application's client secret: the one in use, or a new one when there is none, it falls due, or its value is
--- lost. Goes as far as "known"; `prove`, `placed`, `confirm` and `tidy` of what this returns go on.
---@param run workflow.Run
---@param fields rotation.fields
---@return rotation.Credential
function M.client_secret(run, fields)
  return credential.ensure(require "rotation.client_secret", run, read_secret(fields))
end

--- The same for a certificate, whose key is made here and stays here, sealed.
---@param run workflow.Run
---@param fields rotation.fields
---@return rotation.Credential
function M.certificate(run, fields)
  return credential.ensure(require "rotation.certificate", run, read_certificate(fields))
end

return M
