---@meta host.graph
--- Build requests to Microsoft Graph, and judge its answers. Nothing is sent here.

error("this describes a native module for editors and help; it is not to be required")

---@class host.graph.failure
---@field kind "refused"|"denied"|"auth"|"missing"|"conflict"|"throttled"|"transient"|"bad_answer"
---@field status integer
---@field code string Graph's code; "" when there is none
---@field message string
---@field target string?
---@field details table? list of {code, message, target}
---@field request_id string?
---@field client_request_id string?
---@field retry_after number? whole seconds, from seconds or a date; a year at most
---@field date number? server time of the answer
---@field lag boolean? a known text or code for an object that is not replicated yet
---@field exists boolean? a known text or code for an object that exists already

local M = {}
--- Can such a call change anything? All code asks here. A $batch changes what its calls change.
---@param method string
---@param path string or a template: "/users/{id}/getMemberGroups"
---@return boolean
function M.changes(method, path) end
--- Build a request. GET, and POST to getByIds and similar functions, change nothing; every other request does. A
--- request to "/$batch" (at most 20 parts) counts as the calls that it carries. The request has a random
--- client-request-id.
---@param base string "https://graph.microsoft.com/v1.0"
---@param method string
---@param path string below base, segments already escaped (graph.segment), no query; "/beta/…" goes to the beta
--- version, beside the base "…/v1.0"
---@param query table<string, string>? "$select" = "id,…": escaped here
---@param body table?
---@param headers table<string, string>? only ConsistencyLevel and Prefer
---@return host.request
function M.request(base, method, path, query, body, headers) end
--- Build the request for the next page. A link to another origin than that of `base`, or to another version than that
--- of the first page, is refused.
---@param base string
---@param link string @odata.nextLink
---@param headers table<string, string>? the headers of the first page's request
---@param path string? of the first page's request
---@return host.request|nil, string? message
function M.next(base, link, headers, path) end
--- The text of a query, with its "?"; "" for no query.
---@param query table<string, string>
---@return string
function M.query(query) end
--- Escape one path segment (an id, a UPN).
---@param value string
---@return string
function M.segment(value) end
--- A value as an OData literal: quotes doubled, booleans and numbers plain.
---@param value string|number|boolean
---@return string
function M.literal(value) end
--- Judge an answer. Returns the decoded body ({} for 204 and empty bodies, a number for a plain $count) and the
--- server's time; or nil and a failure.
---@param request host.request
---@param answer host.answer
---@return table|number|nil value, host.graph.failure|number|nil failure_or_date
function M.judge(request, answer) end
--- Judge the answer to a batch. Returns, for the id of each part in the answer, { value = … } or { failure = … }; or
--- nil and the failure of the whole batch.
---@param request host.request
---@param answer host.answer
---@return table<string, {value: any, failure: host.graph.failure?}>|nil outcomes
---@return host.graph.failure|number|nil failure_or_date
function M.judge_batch(request, answer) end

return M
