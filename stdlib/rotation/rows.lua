--- The journal's records of client secrets: one row a rotation.
--
-- States: intent, sent, known (sealed), proven, stored or handed_over,
-- confirmed, retiring (with a date), closed; orphaned when a person must look.

local kept = require "rotation.kept"

---@class rotation.row: host.journal.row
---@field body rotation.body

---@class rotation.body
---@field type "client secret"
---@field application string object id
---@field app_id string client id
---@field name string of the application
---@field workflow string
---@field marker string the start of the credential's displayName
---@field lifetime number seconds
---@field grace number seconds
---@field ends number? server time
---@field key_id string?
---@field hint string?
---@field adopted boolean? its value was found in a sink
---@field sent_at number?
---@field known_at number?
---@field proven_at number?
---@field stored_at number?
---@field confirmed_at number?
---@field retire_at number?
---@field looked_at number? last look for a lost one
---@field why string?

return kept.of {
  kind = "intent", type = "client secret", use = "secret", first = "intent",
  usable = { known = true, proven = true, stored = true, handed_over = true, confirmed = true },
}
