/* host.graph: judge the answers of Microsoft Graph. graph.c builds the requests.
 *
 * A success must be strict JSON. Errors are parsed leniently, because Graph, its older parts and the gateways in
 * front of it write them in several forms. Status and code decide the kind of failure. The texts in the tables below
 * decide where Graph has no code that tells two errors apart.
 */
#include "graph_internal.h"

#include "json.h"
#include "wire.h"

#include <string.h>

#define MAX_BYTES ((size_t)8 << 20) /* a page of 999 users with many members */

/* Errors of replication: soon after our own write, the same call succeeds a moment later. */
static const char *const lag_texts[] = {
    "does not reference a valid application object", /* POST servicePrincipals after POST applications */
    "backing application of the service principal being created must in the local tenant", /* the same, as 403 */
    "Not a valid reference update",                                                        /* appRoleAssignedTo */
    "does not exist or one of its queried reference-property objects are not present",     /* oauth2PermissionGrants */
    NULL};
static const char *const lag_codes[] = {"Authorization_IdentityNotFound", "SubjectNotFound", "RoleNotFound", NULL};

/* Errors that mean that the object exists already. */
static const char *const exists_texts[] = {
    "already exists on the object",                                           /* appRoleAssignedTo */
    "A conflicting object with one or more of the specified property values", /* roleAssignments */
    "added object references already exist",                                  /* members, owners */
    "Permission entry already exists",                                        /* oauth2PermissionGrants */
    "already in use",                                                         /* servicePrincipals of one appId */
    "Another object with the same value for property",                        /* unique members */
    NULL};
static const char *const exists_codes[] = {"Request_MultipleObjectsWithSameKeyValue", "RoleAssignmentExists", NULL};

/* Refused by the object, the tenant's licence or one of its rules, often with status 403: no permission and no role of
 * ours would change that. stdlib/explain/graph_errors.lua has the sources. */
static const char *const final_codes[] = {"AadPremiumLicenseRequired",
                                          "ActiveDurationTooShort",
                                          "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
                                          "CannotUpdateLockedServicePrincipalProperty",
                                          "CannotUpdateLockedServicePrincipalPropertyWithEnforcementScope",
                                          "CredentialInvalidLifetimeAsPerAppPolicy",
                                          "CredentialTypeNotAllowedAsPerAppPolicy",
                                          "Directory_QuotaExceeded",
                                          "Directory_ResourceSizeExceeded",
                                          "RoleAssignmentRequestAcrsValidationFailed",
                                          "RoleAssignmentRequestPolicyValidationFailed",
                                          NULL};

static const char *const throttle_codes[] = {"TooManyRequests", "Request_ThrottledTemporarily",
                                             "Directory_ThrottledTemporarily", NULL};

static int is_listed_error_code(const char *text, const char *const *list) {
  for (; *list; list++)
    if (strcmp(text, *list) == 0) return 1;
  return 0;
}

static int contains_listed_error_text(const char *text, const char *const *list) {
  for (; *list; list++)
    if (strcasestr(text, *list)) return 1;
  return 0;
}

/* Return the kind of failure: by the code where it tells more than the status, else by the status. */
static const char *graph_failure_kind(long status, const char *code, int exists) {
  if (is_listed_error_code(code, throttle_codes)) return "throttled";
  if (is_listed_error_code(code, final_codes)) return "refused";
  if (strcmp(code, "insufficient_claims") == 0) return "denied"; /* another token would not help */
  if (exists && status == 400) return "conflict";
  return wire_status_kind(status);
}

/* ---- lenient reading: each function pushes exactly one value ---- */

/* Push the table member name, or the one with the other spelling; an empty table when neither is a table. Returns 1
 * when one was found. [-0, +1, m] */
static int push_graph_error_table(lua_State *L, int index, const char *name, const char *other) {
  int is_table = lua_getfield(L, index, name) == LUA_TTABLE;
  if (!is_table) {
    lua_pop(L, 1);
    is_table = lua_getfield(L, index, other) == LUA_TTABLE;
  }
  if (is_table) return 1;
  lua_pop(L, 1);
  lua_newtable(L);
  return 0;
}

/* Push the text member, which may be wrapped as {lang, value}; returns NULL when there is none. [-0, +1, -] */
static const char *push_graph_error_text(lua_State *L, int index, const char *name) {
  if (lua_getfield(L, index, name) != LUA_TTABLE) {
    lua_pop(L, 1);
    return wire_push_string(L, index, name);
  }
  const char *text = wire_push_string(L, -1, "value");
  lua_remove(L, -2);
  return text;
}

/* Replace the error detail on top of the stack by a table with its code, message and target only. [-1, +1, m] */
static void reduce_error_detail(lua_State *L) {
  static const char *const names[] = {"code", "message", "target", NULL};
  int detail = lua_gettop(L);
  lua_newtable(L);
  for (const char *const *name = names; *name; name++) {
    const char *text = lua_istable(L, detail) ? push_graph_error_text(L, detail, *name) : NULL;
    lua_pushvalue(L, detail + 1);
    wire_set_line(L, *name, text);
    lua_settop(L, detail + 1);
  }
  lua_remove(L, detail);
}

/* Set the member details of the failure on top, from the details of the error object: a list, or one table. [-0, +0,
 * m] */
static void set_graph_failure_details(lua_State *L, int error) {
  if (lua_getfield(L, error, "details") != LUA_TTABLE) {
    lua_pop(L, 1);
    return;
  }
  lua_Integer count = (lua_Integer)lua_rawlen(L, -1);
  lua_newtable(L);
  for (lua_Integer i = 1; i <= (count ? count : 1); i++) {
    if (count)
      lua_rawgeti(L, -2, i);
    else
      lua_pushvalue(L, -2);
    reduce_error_detail(L);
    lua_rawseti(L, -2, i);
  }
  lua_setfield(L, -3, "details");
  lua_pop(L, 1);
}

/* ---- failures ---- */

static void set_graph_failure_number(lua_State *L, const char *name, double value) {
  if (value < 0) return;
  lua_pushnumber(L, value);
  lua_setfield(L, -2, name);
}

static void set_graph_failure_flag(lua_State *L, const char *name, int yes) {
  if (!yes) return;
  lua_pushboolean(L, 1);
  lua_setfield(L, -2, name);
}

/* Push nil and a failure of this kind, with what the headers of the answer tell. [-0, +2, m] */
static void push_graph_failure(lua_State *L, const struct answer *answer, const char *kind, const char *code,
                               const char *message) {
  wire_push_failure(L, answer, kind, message);
  wire_set_line(L, "code", code);
  wire_set_line(L, "request_id", answer_header(answer, "request-id"));
  wire_set_line(L, "client_request_id", answer_header(answer, "client-request-id"));
  set_graph_failure_number(L, "date", wire_date(answer));
}

/* Return the error's code: "insufficient_claims" when a header demands more claims, else the code of the error
 * object, else the inner error's, else "". Pushes both codes. */
static const char *graph_error_code(lua_State *L, const struct answer *answer, int error, int inner) {
  const char *code = push_graph_error_text(L, error, "code");
  const char *inner_code = push_graph_error_text(L, inner, "code");
  const char *challenge = answer_header(answer, "www-authenticate");
  if (challenge && strstr(challenge, "insufficient_claims")) return "insufficient_claims";
  if (code && *code) return code;
  return inner_code ? inner_code : "";
}

/* Set the request ids of the failure on top from the inner error, where the headers have none. */
static void set_graph_failure_ids(lua_State *L, const struct answer *answer, int inner) {
  const char *request_id = wire_push_string(L, inner, "request-id");
  const char *client_id = wire_push_string(L, inner, "client-request-id");
  lua_pushvalue(L, -3);
  if (!answer_header(answer, "request-id")) wire_set_line(L, "request_id", request_id);
  if (!answer_header(answer, "client-request-id")) wire_set_line(L, "client_request_id", client_id);
  lua_pop(L, 3);
}

/* Push nil and the failure that the error object at index error describes. [-0, +n, m] */
static int push_graph_error(lua_State *L, const struct answer *answer, int error) {
  push_graph_error_table(L, error, "innerError", "innererror");
  int inner = lua_gettop(L);
  const char *code = graph_error_code(L, answer, error, inner);
  const char *message = push_graph_error_text(L, error, "message");
  const char *target = push_graph_error_text(L, error, "target");
  if (!message) message = "";
  int exists = is_listed_error_code(code, exists_codes) || contains_listed_error_text(message, exists_texts);
  int lag = !exists && (is_listed_error_code(code, lag_codes) || contains_listed_error_text(message, lag_texts));
  push_graph_failure(L, answer, graph_failure_kind(answer->status, code, exists), code, message);
  wire_set_line(L, "target", target);
  set_graph_failure_flag(L, "exists", exists);
  set_graph_failure_flag(L, "lag", lag);
  set_graph_failure_ids(L, answer, inner);
  set_graph_failure_details(L, error);
  return 2;
}

/* Push nil and the failure of an error whose body is not Graph's JSON, for example a gateway's page. [-0, +n, m] */
static int push_non_graph_error(lua_State *L, const struct answer *answer) {
  const char *what = wire_is_html(answer) ? "an HTML page" : answer->body.length ? "not an error in JSON" : "empty";
  lua_newtable(L);
  const char *code = graph_error_code(L, answer, lua_gettop(L), lua_gettop(L));
  push_graph_failure(L, answer, graph_failure_kind(answer->status, code, 0), code,
                     lua_pushfstring(L, "the body of the answer is %s", what));
  return 2;
}

static int is_json_object(lua_State *L, int index) {
  return lua_istable(L, index) && !json_array_check(L, index);
}

/* Push nil and the failure that the decoded body on top of the stack describes. [-0, +n, m] */
static int judge_graph_error_body(lua_State *L, const struct answer *answer) {
  if (!lua_istable(L, -1) || !push_graph_error_table(L, lua_gettop(L), "error", "odata.error"))
    return push_non_graph_error(L, answer);
  return push_graph_error(L, answer, lua_gettop(L));
}

static int judge_graph_error(lua_State *L, const struct answer *answer, const struct json_rules *rules) {
  if (!json_decode(L, answer->body.data ? answer->body.data : "", answer->body.length, rules)) lua_pushnil(L);
  return judge_graph_error_body(L, answer);
}

/* ---- success ---- */

/* Complete the results of a success, whose value is on top: push the answer's date, or nil. Returns 2. */
static int push_graph_date(lua_State *L, const struct answer *answer) {
  double date = wire_date(answer);
  if (date >= 0)
    lua_pushnumber(L, date);
  else
    lua_pushnil(L);
  return 2;
}

/* Does the body begin with a byte order mark, as Graph's plain $count does? */
static int has_byte_order_mark(const struct answer *answer) {
  return answer->body.length >= 3 && memcmp(answer->body.data, "\xEF\xBB\xBF", 3) == 0;
}

static int judge_graph_success(lua_State *L, const struct answer *answer, const struct json_rules *rules) {
  size_t mark = has_byte_order_mark(answer) ? 3 : 0;
  const char *data = mark ? answer->body.data + mark : answer->body.data; /* NULL when it is empty */
  size_t length = answer->body.length - mark;
  if (!length)
    lua_newtable(L);
  else if (!json_decode(L, data, length, rules)) {
    const char *why = wire_is_html(answer) ? "it is an HTML page" : lua_tostring(L, -1);
    push_graph_failure(L, answer, "bad_answer", "", lua_pushfstring(L, "the answer is not JSON: %s", why));
    return 2;
  }
  if (is_json_object(L, -1) || lua_type(L, -1) == LUA_TNUMBER) return push_graph_date(L, answer);
  push_graph_failure(L, answer, "bad_answer", "", "the answer is not a JSON object");
  return 2;
}

/* Judge the answer to the request at index 1: push the value and the date, or nil and a failure. Returns 2. [-0, +n,
 * m] */
static int judge_graph_answer(lua_State *L, const struct answer *answer) {
  const struct json_rules rules = {.max_bytes = MAX_BYTES, .sent = request_push_sent_secrets(L, 1)};
  if (answer->status >= 400) return judge_graph_error(L, answer, &rules);
  if (answer->status >= 200 && answer->status < 300) return judge_graph_success(L, answer, &rules);
  push_graph_failure(L, answer, "bad_answer", "", "the server sent a redirect; redirects are never followed");
  return 2;
}

/* Is the answer to a read empty? Then it was damaged on its way: Graph answers 404 or an empty list when there is
 * nothing. */
static int is_empty_graph_read(const struct request *request, const struct answer *answer) {
  return answer->status == 200 && !answer->body.length && strcmp(request->method, "GET") == 0;
}

int graph_judge(lua_State *L) {
  const struct request *request = request_check(L, 1);
  const struct answer *answer = answer_check(L, 2);
  lua_settop(L, 2);
  if (!is_empty_graph_read(request, answer)) return judge_graph_answer(L, answer);
  push_graph_failure(L, answer, "bad_answer", "", "the answer is empty");
  return 2;
}

/* ---- $batch ---- */

/* Add the headers of the part at index to the answer, and the Date of the batch, which parts do not have. [-0, +0,
 * m] */
static void copy_batch_part_headers(lua_State *L, int part, struct answer *answer, const struct answer *batch) {
  const char *date = answer_header(batch, "date");
  int ok = !date || answer_add_header(answer, "date", date);
  if (lua_getfield(L, part, "headers") == LUA_TTABLE) {
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
      int is_text = lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING;
      ok = ok && (!is_text || answer_add_header(answer, lua_tostring(L, -2), lua_tostring(L, -1)));
    }
  }
  lua_pop(L, 1);
  if (!ok) lib_no_memory(L);
}

/* Push the outcome of the part at index: {value=} or {failure=}. [-0, +1, m] */
static void push_batch_part_outcome(lua_State *L, int part, const struct answer *batch) {
  lua_createtable(L, 0, 2);
  int outcome = lua_gettop(L);
  lua_getfield(L, part, "status");
  struct answer *answer = answer_new(L, (long)lua_tointeger(L, -1));
  copy_batch_part_headers(L, part, answer, batch);
  lua_getfield(L, part, "body");
  if (answer->status >= 400) {
    judge_graph_error_body(L, answer);
    lua_setfield(L, outcome, "failure");
  } else if (answer->status >= 200 && answer->status < 300) {
    if (lua_isnil(L, -1) || lua_islightuserdata(L, -1)) lua_newtable(L);
    lua_setfield(L, outcome, "value");
  } else {
    push_graph_failure(L, answer, "bad_answer", "", "an answer in the batch has no HTTP status");
    lua_setfield(L, outcome, "failure");
  }
  lua_settop(L, outcome);
}

/* Store the outcome of the part on top in the table at outcomes, by its id. Returns 0 when the id has an outcome
 * already: nobody could say which of the two is true. [-1, +0, m] */
static int store_batch_part_outcome(lua_State *L, int outcomes, const struct answer *batch) {
  int part = lua_gettop(L);
  const char *id = lua_istable(L, part) ? wire_push_string(L, part, "id") : NULL;
  int is_new = !id || lua_getfield(L, outcomes, id) == LUA_TNIL;
  if (id && is_new) {
    push_batch_part_outcome(L, part, batch);
    lua_setfield(L, outcomes, id);
  }
  lua_settop(L, part - 1);
  return is_new;
}

/* Push nil and the failure that two parts have the id of part i. [-0, +n, m] */
static int push_repeated_batch_part(lua_State *L, const struct answer *answer, int parts, lua_Integer i) {
  lua_rawgeti(L, parts, i);
  const char *id = wire_push_string(L, lua_gettop(L), "id");
  push_graph_failure(L, answer, "bad_answer", "",
                     lua_pushfstring(L, "the answer to the batch has two outcomes for the request '%s'", id));
  return 2;
}

int graph_judge_batch(lua_State *L) {
  request_check(L, 1);
  const struct answer *answer = answer_check(L, 2);
  lua_settop(L, 2);
  int count = judge_graph_answer(L, answer), date = lua_gettop(L), value = date - 1;
  if (lua_isnil(L, value)) return count;
  lua_newtable(L);
  int outcomes = date + 1, parts = date + 2;
  if (!lua_istable(L, value) || lua_getfield(L, value, "responses") != LUA_TTABLE) {
    push_graph_failure(L, answer, "bad_answer", "", "the answer is not a batch: it has no list 'responses'");
    return 2;
  }
  for (lua_Integer i = 1, all = (lua_Integer)lua_rawlen(L, parts); i <= all; i++) {
    lua_rawgeti(L, parts, i);
    if (!store_batch_part_outcome(L, outcomes, answer)) return push_repeated_batch_part(L, answer, parts, i);
  }
  lua_pushvalue(L, outcomes);
  lua_pushvalue(L, date);
  return 2;
}
