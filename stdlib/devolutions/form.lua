--- The form in Devolutions with which a provider of type "Entra ID user" is added, renewed or removed: its fields in
--- their order, and what to put into each. No public call fills the form in.
---
--- Sources: the vendor's page on the provider in Devolutions Cloud 2025.3 and in Devolutions Server 2025.2, and the
--- step-by-step page of 2026. Cloud asks for the secret itself; only Server has a "Credential type". No page describes
--- the dialogs for changing and deleting a provider; the texts say so.

local checklist = require "devolutions.checklist"

local M = {}

--- The name of the field for the client secret.
M.SECRET = "Secret key"

---@class devolutions.form.field a value for a field, or a note on what to do
---@field field string
---@field value string?
---@field note string?
---@field secret boolean? is this the field for the client secret? No form contains the secret
---@field optional boolean?

---@class devolutions.form
---@field purpose "add"|"renew"|"remove"
---@field where string the path of menus
---@field link string? the address of the instance; deeper addresses are not documented
---@field title string
---@field fields devolutions.form.field[]
---@field button string
---@field proof string[]

---@class devolutions.form.values
---@field consumer "cloud"|"server"|"none"
---@field address string? of the instance
---@field name string of the provider
---@field description string?
---@field tenant string GUID
---@field client_id string
---@field entry string? where the entry that holds the secret lies
---@field linked boolean? the provider reads that entry
---@field elevation boolean? the application may elevate accounts for a while; nil when that is not known
---@field short string? the last characters of the secret's key id: "…c7e1"

local PROVIDERS = "Administration > Privileged Access > Providers"
local TEST = { field = "Test connection", note = "press it: it must succeed before you go on" }

local function field(name, value, note) return { field = name, value = value, note = note } end
local function optional(name, note) return { field = name, note = note, optional = true } end

local function secret_field(values)
  return {
    field = M.SECRET, secret = true,
    note = ("the client secret%s: its Value, not its Secret ID; shown on request")
      :format(values.short and " " .. values.short or ""),
  }
end

local function description(values)
  local given = field("Description", values.description, not values.description and "as you like" or nil)
  given.optional = true
  return given
end

local function elevation(values)
  if values.elevation == false then return "leave it: the application was made without the right to elevate" end
  return "only if accounts are to be elevated for a while"
end

local FORMS = {}

function FORMS.cloud(values)
  return {
    field("Name", values.name), description(values),
    optional("Password template", "if the form has it: the shape of the passwords that Devolutions sets"),
    field("Tenant ID", values.tenant), field("Client ID", values.client_id), secret_field(values), TEST,
    optional("Checkout policy mode", "as your organisation wants it"),
    optional("Account lifecycle policy mode", "if the form has it: when passwords are rotated, and their shape"),
    optional("Just-in-time elevation", elevation(values)),
  }
end

local function credential(values)
  if values.linked then
    return field("Credential type", "Linked credential"), field("Linked credential", values.entry)
  end
  return field("Credential type", "Custom"), secret_field(values)
end

function FORMS.server(values)
  local kind, of_kind = credential(values)
  return {
    field("Name", values.name), description(values), field("Tenant ID", values.tenant),
    field("Client ID", values.client_id), kind, of_kind,
    optional("Password template", "the shape of the passwords that Devolutions sets"),
    optional("Add a PAM vault", "as you like"),
    optional("Add a new scan configuration", "as you like: its window opens after saving"),
    TEST,
  }
end

function FORMS.none(values)
  return { field("Tenant ID", values.tenant), field("Client ID", values.client_id), secret_field(values) }
end

-- Only the secret changes; the other fields are shown so that a person can compare them.
local function renewal(values)
  local fields = {}
  for _, one in ipairs(FORMS[values.consumer](values)) do
    if one.secret or one == TEST then fields[#fields + 1] = one
    elseif one.field == "Tenant ID" or one.field == "Client ID" then
      fields[#fields + 1] = field(one.field, one.value, "leave it as it is; compare it with this")
    end
  end
  return fields
end

local function add(values)
  return {
    where = PROVIDERS .. " > " .. (values.consumer == "cloud" and "Add Provider (+)" or "Add") .. " > Entra ID user",
    title = ("add the provider '%s'"):format(values.name), fields = FORMS[values.consumer](values),
    button = values.consumer == "cloud" and "Add" or "Save",
  }
end

local function renew(values)
  return {
    where = ("%s > '%s' > edit (the pen, or the ellipsis menu: no page of the vendor describes it)")
      :format(PROVIDERS, values.name),
    title = ("give the provider '%s' its new client secret"):format(values.name), fields = renewal(values),
    button = "Save or Update, whichever the form has",
  }
end

local function remove(values)
  return {
    where = ("%s > '%s' > the menu in the list (no page of the vendor describes it)"):format(PROVIDERS, values.name),
    title = ("remove the provider '%s'"):format(values.name),
    fields = { field("Name", values.name), field("Client ID", values.client_id, "it tells which provider is meant") },
    button = "Delete or Remove, whichever the menu has",
  }
end

local PURPOSES = { add = add, renew = renew, remove = remove }

-- The form for a consumer that is not Devolutions: anything that signs in with the application.
local function elsewhere(values, purpose)
  return {
    where = "wherever what signs in as the application is configured",
    title = ("give what uses '%s' its %sclient secret"):format(values.name, purpose == "renew" and "new " or ""),
    fields = FORMS.none(values), button = "save, whatever the form calls it", proof = checklist.proof "none",
  }
end

--- The form for one purpose. It never contains the secret.
---@param values devolutions.form.values
---@param purpose "add"|"renew"|"remove"
---@return devolutions.form
function M.of(values, purpose)
  local form
  if values.consumer == "none" then form = elsewhere(values, purpose)
  else
    form = PURPOSES[purpose](values)
    form.link, form.proof = values.address, purpose ~= "remove" and checklist.proof(values.consumer) or {}
  end
  form.purpose = purpose
  return form
end

--- The fields as lines for a person.
---@param fields devolutions.form.field[]
---@return string[]
function M.lines(fields)
  local lines, names, width = {}, {}, 0
  for i, one in ipairs(fields) do
    names[i] = one.field .. (one.optional and " (optional)" or "")
    width = math.max(width, #names[i])
  end
  for i, one in ipairs(fields) do
    local text = one.value or one.note
    if one.value and one.note then text = ("%s  (%s)"):format(one.value, one.note) end
    lines[i] = names[i] .. (" "):rep(width - #names[i] + 2) .. (text or "")
  end
  return lines
end

return M
