--- The form in Devolutions with which a provider of type "Entra ID user" is added, renewed or removed: its fields in
--- their order, and what to put into each. A person fills in the form, because no public API does.
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
---@field entry string? the place of the entry that holds the secret
---@field linked boolean? the provider reads that entry
---@field elevation boolean? the application may elevate accounts for a while; nil when that is not known
---@field short string? the last characters of the secret's key id: "…c7e1"

local PROVIDERS = "Administration > Privileged Access > Providers"
local TEST = { field = "Test connection", note = "press it: it must succeed before you go on" }

local function form_field(name, value, note) return { field = name, value = value, note = note } end
local function optional_field(name, note) return { field = name, note = note, optional = true } end

local function secret_field(values)
  return {
    field = M.SECRET, secret = true,
    note = ("the client secret%s: its Value, not its Secret ID; shown on request")
      :format(values.short and " " .. values.short or ""),
  }
end

local function description_field(values)
  local given = form_field("Description", values.description, not values.description and "as you like" or nil)
  given.optional = true
  return given
end

local function elevation_note(values)
  if values.elevation == false then return "leave it: the application was made without the right to elevate" end
  return "only if accounts are to be elevated for a while"
end

local FIELDS = {}

function FIELDS.cloud(values)
  return {
    form_field("Name", values.name), description_field(values),
    optional_field("Password template", "if the form has it: the shape of the passwords that Devolutions sets"),
    form_field("Tenant ID", values.tenant), form_field("Client ID", values.client_id), secret_field(values), TEST,
    optional_field("Checkout policy mode", "as your organisation wants it"),
    optional_field("Account lifecycle policy mode", "if the form has it: when passwords are rotated, and their shape"),
    optional_field("Just-in-time elevation", elevation_note(values)),
  }
end

local function credential_fields(values)
  if values.linked then
    return form_field("Credential type", "Linked credential"), form_field("Linked credential", values.entry)
  end
  return form_field("Credential type", "Custom"), secret_field(values)
end

function FIELDS.server(values)
  local kind, of_kind = credential_fields(values)
  return {
    form_field("Name", values.name), description_field(values), form_field("Tenant ID", values.tenant),
    form_field("Client ID", values.client_id), kind, of_kind,
    optional_field("Password template", "the shape of the passwords that Devolutions sets"),
    optional_field("Add a PAM vault", "as you like"),
    optional_field("Add a new scan configuration", "as you like: its window opens after saving"),
    TEST,
  }
end

function FIELDS.none(values)
  return { form_field("Tenant ID", values.tenant), form_field("Client ID", values.client_id), secret_field(values) }
end

-- The fields of a renewal. Only the secret changes; the ids are shown so that a person can compare them.
local function renewal_fields(values)
  local fields = {}
  for _, one in ipairs(FIELDS[values.consumer](values)) do
    if one.secret or one == TEST then fields[#fields + 1] = one
    elseif one.field == "Tenant ID" or one.field == "Client ID" then
      fields[#fields + 1] = form_field(one.field, one.value, "leave it as it is; compare it with this")
    end
  end
  return fields
end

local function provider_add_form(values)
  return {
    where = PROVIDERS .. " > " .. (values.consumer == "cloud" and "Add Provider (+)" or "Add") .. " > Entra ID user",
    title = ("add the provider '%s'"):format(values.name), fields = FIELDS[values.consumer](values),
    button = values.consumer == "cloud" and "Add" or "Save",
  }
end

local function provider_renew_form(values)
  return {
    where = ("%s > '%s' > edit (the pen, or the ellipsis menu: no page of the vendor describes it)")
      :format(PROVIDERS, values.name),
    title = ("give the provider '%s' its new client secret"):format(values.name), fields = renewal_fields(values),
    button = "Save or Update, whichever the form has",
  }
end

local function provider_remove_form(values)
  return {
    where = ("%s > '%s' > the menu in the list (no page of the vendor describes it)"):format(PROVIDERS, values.name),
    title = ("remove the provider '%s'"):format(values.name),
    fields = {
      form_field("Name", values.name),
      form_field("Client ID", values.client_id, "it tells which provider is meant"),
    },
    button = "Delete or Remove, whichever the menu has",
  }
end

local PURPOSES = { add = provider_add_form, renew = provider_renew_form, remove = provider_remove_form }

-- The form for a consumer that is not Devolutions: a service that signs in as the application.
local function form_outside_devolutions(values, purpose)
  return {
    where = "the configuration of the service that signs in as the application",
    title = ("give the service that uses '%s' its %sclient secret")
      :format(values.name, purpose == "renew" and "new " or ""),
    fields = FIELDS.none(values), button = "save, whatever the form calls it", proof = checklist.proof "none",
  }
end

--- The form for one purpose. No form contains the secret.
---@param values devolutions.form.values
---@param purpose "add"|"renew"|"remove"
---@return devolutions.form
function M.for_purpose(values, purpose)
  local form
  if values.consumer == "none" then form = form_outside_devolutions(values, purpose)
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
function M.field_lines(fields)
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
