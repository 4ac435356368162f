--- The calls of Devolutions Server that the words of a script's `needs.devolutions` stand for.

local M = {}

local BY_WORD = {
  ["vaults:read"] = { { "GET", "/api/v1/vault" }, { "GET", "/api/v1/vault/{id}" } },
  ["entries:read"] = { { "GET", "/api/v1/vault/{id}/entry" }, { "GET", "/api/v1/vault/{id}/entry/{id}" } },
  ["entries:write"] = {
    { "GET", "/api/v1/vault/{id}/entry" }, { "GET", "/api/v1/vault/{id}/entry/{id}" },
    { "POST", "/api/v1/vault/{id}/entry" }, { "PUT", "/api/v1/vault/{id}/entry/{id}" },
    { "DELETE", "/api/v1/vault/{id}/entry/{id}" },
  },
}

--- The words that a script may use.
M.WORDS = { "vaults:read", "entries:read", "entries:write" }

--- Logging in and out, and the version: Moonlatch's own calls.
M.SESSION = { { "POST", "/api/v1/login" }, { "POST", "/api/v1/logout" }, { "GET",
  "/api/public-instance-information" } }

--- The calls a word stands for; nil for an unknown word.
---@param word string
---@return { [1]: string, [2]: string }[]|nil
function M.calls_of_word(word) return BY_WORD[word] end

return M
