--- Telling people: which findings are told to whom, when first, and when again. `moonlatch notify` reads a file of
--- these rules, looks once, and tells what is new since its last look, and what is resolved.
--
--   local notice = require "notice"
--   return notice {
--     summary = "Tell the PAM team",
--     rules = {
--       { to = "notify/teams",
--         what = { expiring = { first = { "30d", "7d" } }, rotation = {}, doctor = { again = "30d" } },
--         quiet = "22:00-07:00 Europe/Paris", digest = "1d", alive = "30d" },
--     },
--   }
--
-- `to` is a script that tells: { summary, args, needs, tell = function(notice, args) … end }.

local mail = require "notice.mail"
local notice_declaration = require "notice.declaration"
local options_of = require("base.options").of

local M = {}

---@class notice.notice what a script that tells gets
---@field id string the same when a notice is sent once more
---@field kind "findings"|"alive"|"test"
---@field title string one line
---@field text string some lines
---@field at string when it was made: "2026-11-23T05:00:00Z"
---@field tenant string
---@field items notice.item[]

---@class notice.item
---@field state "new"|"again"|"worse"|"resolved"
---@field key string names the finding, at every look
---@field kind string "expiring", "rotation", "doctor", "unknown", "delivery"
---@field severity "critical"|"warning"
---@field title string one line
---@field text string? more about it
---@field fix string? what to do
---@field ends string? the moment at which it expires

local read_mail_options = options_of("notice.mail", { to = "table", from = "string" })

--- A notice as a mail (RFC 5322), for sendmail(1): a plain text in UTF-8, encoded as base64.
---@param notice notice.notice
---@param options { to: string[], from: string? } addresses
---@return string
function M.mail(notice, options) return mail.text(notice, read_mail_options(options)) end

return setmetatable(M, { __call = function(_, fields) return notice_declaration.mark(fields) end })
