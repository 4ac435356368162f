--- Rotation of an application's credential, so that no value is ever lost. States: intent, sent, known (sealed),
--- proven, stored or handed over, confirmed; earlier credentials retire by their date.
---
--- In a workflow, several steps do this: one step makes the credential, later steps prove and store it, and the last
--- one removes the earlier credentials. Each state is on record before the next begins, so any run can go on where
--- another stopped.

local credentials = require "rotation.credential"
local options_of = require("base.options").of

local M = {}

local RULES = {
  application = "table", name = "string", policy = "table", lifetime = "number", renew_before = "number",
  every = "number", grace = "number", description = "string", by_hand = "boolean", sink = "table|boolean",
  renew = "string|boolean", old_now = "boolean", in_use = "string", rhythm = "number", retire_unused = "boolean",
  questions = "table",
}

local read_secret = options_of("rotation.client_secret", RULES)
local CERTIFICATE_RULES = { before_sending = "function" }
for name, rule in pairs(RULES) do CERTIFICATE_RULES[name] = rule end

local read_certificate = options_of("rotation.certificate", CERTIFICATE_RULES)

--- Find the client secret of the application; make a new one when there is none, when it is due, or when its value is
--- lost. The client secret is in the state "known" or later afterwards; the methods `prove`, `placed`, `confirm` and
--- `tidy` of the result go on from there. Waits.
---@param run workflow.Run
---@param fields rotation.fields
---@return rotation.Credential
function M.client_secret(run, fields)
  return credentials.ensure(require "rotation.client_secret", run, read_secret(fields))
end

--- Find the certificate of the application, or make a new one, like `client_secret`. Its key is made on this machine,
--- and stays here, sealed. Waits.
---@param run workflow.Run
---@param fields rotation.fields
---@return rotation.Credential
function M.certificate(run, fields)
  return credentials.ensure(require "rotation.certificate", run, read_certificate(fields))
end

return M
