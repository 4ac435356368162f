--- A user, a group and an application whose names attack every format that output may have: a terminal, JSON, CSV and
--- spreadsheets, HTML and XML, Markdown, a shell, string formats, OData, iCalendar and metrics.

local directory = require "emulator.tenant.directory"
local json = require "json"
local secret = require "secret.emulator"
local time = require "time"

local M = {}

--- What each name contains. Entra takes any text of up to 256 characters as a display name.
M.ATTACK = "=cmd|'/C calc'!A0\",;\t<script>alert(1)</script>&amp;]]>\27[31m\27]0;owned\7\r\n"
  .. "BEGIN:VALARM\n# HELP x\n{a=\"b\"} %s %n $(id) `id` ${IFS} '' \\' \\u0041 [a](javascript:b) | **c** </td>"
  .. "\u{202E}txt.exe\u{2066}\u{200B}\u{FEFF}\u{1F469}\u{200D}\u{1F4BB} --yes"

-- A user principal name takes letters, digits and ' . - _ ! # ^ ~ (Microsoft Learn: user, userPrincipalName).
local LOCAL_PART = "-o'brien!#^~_27"

--- Add them: the user and the group hold roles, and the user is a member of the group; the application holds one, too,
--- and has an expired secret.
---@return { user: string, group: string, application: string, upn: string } object ids
function M:add_awkward()
  local upn = LOCAL_PART .. "@" .. self.domain
  local user = self:add_person(upn, "1" .. M.ATTACK)
  self:assign_role(user, "Helpdesk Administrator")
  local group = self:add_group("2" .. M.ATTACK, { user })
  self:change(group, { description = M.ATTACK, isAssignableToRole = true })
  self:assign_role(group, "Reports Reader")
  local app = self:add_app { name = "3" .. M.ATTACK, roles = { "Helpdesk Administrator" },
    permissions = { "Directory.ReadWrite.All" } }
  local now = self.now()
  self:put_secret(app.id, { keyId = directory.new_id(self), displayName = "4" .. M.ATTACK,
    _value = secret.generate(40), _start = now - 86400, _end = now - 3600 }, 0, 0)
  self:change(app.id, { createdDateTime = time.iso(now), notes = M.ATTACK, tags = json.array { M.ATTACK } })
  return { user = user, group = group, application = app.id, upn = upn }
end

return M
