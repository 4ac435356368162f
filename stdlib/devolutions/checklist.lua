--- The checklist of a hand-over: what has to be done before Devolutions can rotate passwords with our application, in
--- the order in which the items can be done. No public API of Devolutions does or shows an item, so a person ticks
--- each.
---
--- Sources: the vendor's pages on Devolutions Cloud of 2024 to 2026 and on Devolutions Server 2025.2. The names of
--- menus and fields are the vendor's.

local M = {}

---@class devolutions.checklist.item
---@field key string names the item on the command line and in the journal
---@field what string
---@field who string
---@field where string the path of menus
---@field known_by string how a person sees that the item is done
---@field link string? the vendor's page
---@field scope "instance"|"provider" once for the whole Devolutions instance, or for each provider
---@field required boolean

local DOCS = "https://docs.devolutions.net/"

--- The vendor's step-by-step page, and the download page of Devolutions Cloud Services.
M.HOW_TO = DOCS .. "pam/knowledge-base/how-to-articles/create-an-entra-id-pam-provider-devolutions-cloud"
M.DOWNLOAD = "https://devolutions.net/download-center/#hub"

--- How a person proves that everything works. A successful "Test connection" is no proof, because Entra gives a token
--- to an application without any rights, too.
---@param consumer "cloud"|"server"|"none"
---@return string[]
function M.proof(consumer)
  if consumer == "none" then return {} end
  if consumer == "server" then
    return { "on the entry of a managed account: Reset password", "then the account signs in with the new password" }
  end
  return {
    "on the entry of a managed account: ellipsis menu > Reset password",
    "then Reports > Privileged Access > Tasks shows that reset as Completed",
  }
end

local ADMIN = "administrator of Devolutions Cloud"
local PERMISSIONS_PAGE = "Administration > Configuration & Security > System permissions"

-- %s is replaced by the address of the organisation's Devolutions Cloud.
local CLOUD = {
  { key = "licence", scope = "instance", who = "owner or " .. ADMIN,
    what = "the PAM module is licensed, and the licence is assigned to the administrator",
    where = "Administration > Licenses: enter the licence, assign it",
    known_by = "the menu Administration > Privileged Access is there; without a licence it is not",
    link = "cloud/getting-started/get-started-with-devolutions-cloud" },
  { key = "identity", scope = "instance", who = ADMIN,
    what = "an application identity for the PAM service; keep its Application key and Application secret",
    where = "Administration > Application identities > Add Application Identity: a name, Add",
    known_by = "it is listed; key and secret are shown once, and the secret can only be regenerated later",
    link = "cloud/web-interface/administration/management/application-identities/manage-application-identities" },
  { key = "permissions", scope = "instance", who = ADMIN,
    what = "the identity may 'Manage privileged access tasks' and 'Manage privileged access providers'",
    where = PERMISSIONS_PAGE .. " > Edit > System: add it to both",
    known_by = "it is listed under both; at first it has no permission at all",
    link = "pam/hub/pam-service" },
  { key = "vault", scope = "instance", who = ADMIN,
    what = "a PAM vault for the accounts",
    where = "Administration > Vaults > Add (+) > Add PAM vault: a name; checkout, rotation and password settings",
    known_by = "the page counts it among the PAM vaults",
    link = "pam/pam-with-devolutions-cloud/pam-vaults" },
  { key = "vault_permission", scope = "instance", who = ADMIN,
    what = "the identity is Contributor of that vault, or of all vaults",
    where = "the PAM vault > Permissions > Edit > Contributor > Update; for all vaults: " .. PERMISSIONS_PAGE
      .. " > Vaults",
    known_by = "the vault's permissions list it as Contributor",
    link = "pam/hub/pam-service" },
  { key = "services", scope = "instance", who = "administrator of a Windows server",
    what = "Devolutions Cloud Services runs on a Windows server, with its feature PAM",
    where = "download from " .. M.DOWNLOAD .. "; in Custom setup check PAM; Host: %s; Application key and "
      .. "Application secret: the application identity's, not Entra's; Test connection, Next, Finish",
    known_by = "Test connection succeeded, and the service runs; its log is in the Windows Event Viewer. If the "
      .. "identity is restricted to addresses, the server's is among them",
    link = M.HOW_TO },
  { key = "pam_service", scope = "instance", who = ADMIN,
    what = "Devolutions Cloud knows the service",
    where = "Administration > Application services > Add > PAM service: name, description, the application identity",
    known_by = "it is listed; more than one may be, the others stand by",
    link = "pam/hub/pam-service" },
  { key = "provider", scope = "provider", who = "administrator with 'Manage privileged access providers'",
    what = "the provider exists, and has the client secret that is to be used",
    where = "Administration > Privileged Access > Providers",
    known_by = "Test connection succeeds, and the provider is listed; confirming the client secret ticks this",
    link = "pam/pam-with-devolutions-cloud/providers/entra-id-user-provider" },
  { key = "people", scope = "instance", optional = true, who = "owner of the PAM vault",
    what = "people may use the vault's accounts; the vendor recommends the role Privileged operator",
    where = "the PAM vault > Permissions > Edit",
    known_by = "the vault's permissions list them",
    link = "pam/pam-with-devolutions-cloud/pam-vaults" },
  { key = "account", scope = "provider", who = "who may add entries to the PAM vault",
    what = "an entry for each managed account",
    where = "the PAM vault, a new entry of type Entra ID user: Name, Folder; Provider: this one; Username: exactly the "
      .. "user principal name; Current password may stay empty",
    known_by = "the vault lists the entries",
    link = "pam/pam-with-devolutions-cloud/privileged-accounts" },
  { key = "proof", scope = "provider", who = "who may reset a password",
    what = "a password was reset by Devolutions",
    where = "the entry > ellipsis menu > Reset password",
    known_by = "Reports > Privileged Access > Tasks shows that reset as Completed",
    link = "pam/pam-with-devolutions-cloud/privileged-accounts" },
}

local SERVER_ADMIN = "administrator of Devolutions Server"

-- The application identity and its rights on the vault are also used by our own sign-in.
local SERVER = {
  { key = "provider", scope = "provider", who = SERVER_ADMIN,
    what = "the provider exists, and has the client secret that is to be used",
    where = "Administration > Privileged Access > Providers; without a PAM licence the menu is not there",
    known_by = "Test connection succeeds, and the provider is listed; confirming the client secret ticks this",
    link = "pam/pam-with-devolutions-server/providers/managed-providers/entra-id-user-provider" },
  { key = "account", scope = "provider", optional = true, who = "who may add entries to the PAM vault",
    what = "an entry for each managed account",
    where = "the PAM vault, a new entry of type Entra ID user with this provider; or import what its scan finds",
    known_by = "the vault lists the entries" },
  { key = "people", scope = "instance", optional = true, who = SERVER_ADMIN,
    what = "people may check out the accounts",
    where = "the PAM vault's permissions",
    known_by = "the vault's permissions list them" },
  { key = "proof", scope = "provider", optional = true, who = "who may reset a password",
    what = "a password was reset by Devolutions",
    where = "the entry > Reset password", known_by = "the account signs in with the new password" },
}

local NONE = {
  { key = "provider", scope = "provider", who = "the administrator of the service that signs in with it",
    what = "the service that uses the application has the client secret that is to be used",
    where = "the configuration of that service",
    known_by = "the service signs in; confirming the client secret ticks this" },
}

local LISTS = { cloud = CLOUD, server = SERVER, none = NONE }

local function page_address(link)
  if not link or link:find("^https:") then return link end
  return DOCS .. link
end

--- The items for this consumer of the client secret, in the order in which they are done.
---@param consumer "cloud"|"server"|"none"
---@param address string? of the instance: "https://contoso.devolutions.app"
---@return devolutions.checklist.item[]
function M.items(consumer, address)
  local list = {}
  local function host() return address or "" end
  for i, item in ipairs(LISTS[consumer]) do
    list[i] = {
      key = item.key, what = item.what, who = item.who, where = item.where:gsub("%%s", host),
      known_by = item.known_by, link = page_address(item.link), scope = item.scope, required = not item.optional,
    }
  end
  return list
end

---------------------------------------------------------------------------
-- Items after the application was deleted

-- No page of the vendor says what happens to accounts whose provider is deleted: they keep their password.
local GONE_ACCOUNT = {
  key = "gone_account", what = "the entries of its accounts are deleted, or use another provider",
  where = "the PAM vault", known_by = "no entry names this provider",
}
local GONE_PROVIDER = {
  key = "gone_provider", what = "the provider is deleted", where = "Administration > Privileged Access > Providers",
  known_by = "the provider is not listed any more",
}
local GONE = {
  cloud = {
    GONE_ACCOUNT, GONE_PROVIDER,
    { key = "gone_service", optional = true,
      what = "if no other provider needs them: the PAM service, its application identity, Devolutions Cloud Services",
      where = "Administration > Application services; Administration > Application identities; the Windows server",
      known_by = "neither is listed, and the service is not installed any more" },
  },
  server = { GONE_ACCOUNT, GONE_PROVIDER },
  none = {},
}

--- What a person has to remove from Devolutions after the application was deleted, in the order in which it can be
--- removed.
---@param consumer "cloud"|"server"|"none"
---@return devolutions.checklist.item[]
function M.removal_items(consumer)
  local list = {}
  for i, item in ipairs(GONE[consumer]) do
    list[i] = {
      key = item.key, what = item.what, who = consumer == "cloud" and ADMIN or SERVER_ADMIN, where = item.where,
      known_by = item.known_by, scope = "provider", required = not item.optional,
    }
  end
  return list
end

--- The items that earlier versions let a person tick all at once.
M.FORMER = { identity = true, permissions = true, vault_permission = true, services = true, pam_service = true }

return M
