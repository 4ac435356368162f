--- The journal's records of certificates: one row a certificate, with its key.
--
-- States: made (sealed), uploaded, proven, in_use (its file is written), retiring
-- (with a date), closed.

local kept = require "rotation.kept"

---@class certificate.row: host.journal.row
---@field body certificate.body

---@class certificate.body
---@field type "certificate"
---@field application string object id
---@field app_id string client id
---@field name string of the application
---@field workflow string
---@field marker string its displayName at the application
---@field key_id string chosen by us
---@field sha256 string hexadecimal, of the certificate
---@field ends number
---@field adopted boolean? it was found in its file
---@field made_at number
---@field proven_at number?
---@field retire_at number?
---@field where string? its file
---@field why string?

return kept.of {
  kind = "certificate", type = "certificate", use = "certificate", first = "made",
  usable = { made = true, uploaded = true, proven = true, in_use = true },
}
