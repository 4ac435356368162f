--- Ids that are the same in every tenant (published by Microsoft), and the names of the roles that matter here.

local M = {}

--- Microsoft Graph's application id.
M.GRAPH = "00000003-0000-0000-c000-000000000000"

--- The client ids with which people sign in, by the name on their consent page.
M.clients = {
  ["14d82eec-204b-4c2f-b7e8-296a70dab67e"] = "Microsoft Graph Command Line Tools",
  ["04b07795-8ddb-461a-bbee-02f9e1bf7b46"] = "Microsoft Azure CLI",
}

--- Directory roles by name: template id, which is also the id of the built-in definition.
M.roles = {
  ["Global Administrator"] = "62e90394-69f5-4237-9190-012177145e10",
  ["Privileged Role Administrator"] = "e8611ab8-c189-46e8-94e1-60213ab1f814",
  ["Privileged Authentication Administrator"] = "7be44c8a-adaf-4e2a-84d6-ab2649e08a13",
  ["Application Administrator"] = "9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3",
  ["Cloud Application Administrator"] = "158c047a-c907-4556-b7ef-446551a6b5f7",
  ["Authentication Administrator"] = "c4e39bd9-1100-46d3-8c65-fb160da0071f",
  ["User Administrator"] = "fe930be7-5e62-47db-91af-98c3a49a38b1",
  ["Helpdesk Administrator"] = "729827e3-9c14-49f7-bb1b-9608f156bbb8",
  ["Password Administrator"] = "966707d0-3269-4727-9be2-8c3a10f19b9d",
  ["Application Developer"] = "cf1c38e5-3621-4004-a7cb-879624dced7c",
  ["Directory Readers"] = "88d8e3e3-8f55-4a1e-953a-9b9898b8876b",
  ["Global Reader"] = "f2ef992c-3afb-46b9-b7cf-a126ee74c451",
  ["Groups Administrator"] = "fdd7a751-b60b-444a-984c-02652fe8fa1c",
}

--- Ids that tokens list among the directory roles (wids), and that are none: every application's and every user's.
--- Source: a token of an application in microsoftgraph/msgraph-sdk-powershell issue 1782, 2023.
M.not_roles = {
  ["0997a1d0-0d1d-4acb-b408-d5ca73121e90"] = true, ["b79fbf4d-3ef9-4689-8143-76b194e85509"] = true,
}

--- Is the text an object's id, and not a name?
---@param text string
---@return boolean
function M.is_id(text)
  return #text == 36 and text:match("^%x+%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x+$") ~= nil
end

--- The name of a directory role; its id when it is not one of those above.
---@param id string template id
---@return string
function M.role_name(id)
  for name, other in pairs(M.roles) do
    if other == id then return name end
  end
  return id
end

--- A text as part of a name: lower case, digits and dashes. Other characters become a short digest, so that two texts
--- never give one name.
---@param text string
---@return string
function M.slug(text)
  local crypto = require "host.crypto"
  local slug = text:lower():gsub("[^%w]+", "-"):gsub("^%-+", ""):gsub("%-+$", "")
  if not text:find("[^%w %-_/]") then return slug end
  local digest = crypto.hex(crypto.digest("sha256", text)):sub(1, 8)
  return slug == "" and digest or slug .. "-" .. digest
end

return M
