--- The frame of a gallery of broken set-ups: each fault is made, the doctor names the right one first, and what its
--- fix says heals it, after which all is as healthy as before.

local assert = require "luassert" -- busted gives its own only to spec files
local json = require "host.json"

local M = {}

---@class gallery.case
---@field [1] string
---@field fault fun(): any
---@field meanwhile fun()? what else is so until it is healed
---@field verdict "broken"|"warning"|"unknown"|nil "broken"
---@field check string
---@field says string in evidence or cause
---@field fix string|nil in the fix
---@field heal fun(found: any) what the fix says, done
---@field args string[]?

---@class gallery
---@field emu rehearsal? open while the cases are shown
---@field managed string
---@field works fun()? what shows, after a case was healed, that all works again
local Gallery = { __name = "gallery" }
Gallery.__index = Gallery

--- A gallery whose doctor is asked about these accounts.
---@param managed string
---@return gallery
function M.new(managed) return setmetatable({ managed = managed }, Gallery) end

-- No two findings of a check are the same for whoever is told of them; of refused sign-ins there is one an address.
local function check_identities(document)
  local seen = {}
  for _, finding in ipairs(document.findings) do
    if finding.id then
      local identity = ("%s/%s/%s"):format(finding.check, finding.about, finding.id)
      assert(not seen[identity] or finding.check == "evidence", identity)
      seen[identity] = true
    else
      assert(finding.verdict == "ok" or finding.verdict == "left out", finding.evidence)
    end
  end
end

--- Ask the doctor.
---@param ... string more of its arguments
---@return integer status, table document
function Gallery:doctor(...)
  local status, document, outcome = self.emu:json { "doctor", "--managed", self.managed, ... }
  assert(document.findings, outcome.out .. outcome.err)
  check_identities(document)
  return status, document
end

local function text_of(document) return json.encode(document.findings, true) end

--- Insist that nothing is wrong.
function Gallery:healthy()
  local status, document = self:doctor()
  assert.equal("healthy", document.verdict, text_of(document))
  assert.equal(0, status)
end

---@param case gallery.case
local function judge(self, case)
  local status, document = self:doctor(table.unpack(case.args or {}))
  local first = document.findings[1]
  local said = text_of { findings = { first } }
  assert.equal(case.check, first.check, said)
  assert.equal(case.verdict or "broken", first.verdict, said)
  assert.equal(first.verdict == "broken" and 1 or 3, status)
  assert.truthy((first.evidence .. " " .. (first.cause or "")):find(case.says, 1, true), said)
  if case.fix then assert.truthy((first.fix or ""):find(case.fix, 1, true), said) end
  if case.meanwhile then case.meanwhile() end
end

--- Show a case. Healed whatever was told, so that the next begins healthy.
---@param case gallery.case
function Gallery:show(case)
  local found = case.fault()
  local ok, err = pcall(judge, self, case)
  case.heal(found)
  if self.works then self.works() end -- until then the logs know of refused sign-ins only
  if not ok then error(err, 0) end
  self:healthy()
end

return M
