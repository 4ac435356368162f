---@meta host.graph
--- Microsoft Graph, protocol only.

error("this describes a native module for editors and help; it is not to be required")

---@class host.graph.failure
---@field kind "refused"|"denied"|"auth"|"missing"|"conflict"|"throttled"|"transient"|"bad_answer"
---@field status integer
---@field code string as Graph said it; "" when none
---@field message string
---@field target string?
---@field details table? list of {code, message, target}
---@field request_id string?
---@field client_request_id string?
---@field retry_after number? whole seconds, from seconds or a date; a year at most
---@field date number? server time of the answer
---@field lag boolean? a known text or code of something not yet replicated
---@field exists boolean? a known text or code of something that is there already

local M = {}
--- Is anything different after such a call? The one judgement of that; a $batch is its calls.
---@param method string
---@param path string or a template: "/users/{id}/getMemberGroups"
---@return boolean
function M.changes(method, path) end
--- Build a request. GET, and POST to getByIds and the like, change nothing; all else does.
--- To "/$batch" (at most 20 requests) it makes the calls that it carries.
--- A random client-request-id is sent.
---@param base string "https://graph.microsoft.com/v1.0"
---@param method string
---@param path string below base, segments already escaped (graph.segment), no query
---@param query table<string, string>? "$select" = "id,…": escaped here
---@param body table?
---@param headers table<string, string>? only ConsistencyLevel and Prefer
---@return host.request
function M.request(base, method, path, query, body, headers) end
--- The next page. A link to another origin than base is refused without a request.
---@param base string
---@param link string @odata.nextLink
---@param headers table<string, string>? those of the first page
---@return host.request|nil, string? message
function M.next(base, link, headers) end
--- A query as it is sent, with its "?"; "" for none.
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
--- Judge an answer: the decoded body ({} for 204 and empty bodies, a number for a plain $count), or a failure.
--- Server time second on success.
---@param request host.request
---@param answer host.answer
---@return table|number|nil value, host.graph.failure|number|nil failure_or_date
function M.judge(request, answer) end
--- Judge the answer to a batch: for each part's id { value = … } or { failure = … }; a part
--- that is missing in the answer is missing here. A failure is the whole batch's.
---@param request host.request
---@param answer host.answer
---@return table<string, {value: any, failure: host.graph.failure?}>|nil outcomes
---@return host.graph.failure|number|nil failure_or_date
function M.judge_batch(request, answer) end

return M
