/* host.devolutions: the protocol of Devolutions Server's public API. It builds requests and judges answers.
 *
 * The session id of a login leaves only in a credential for that server's origin. The API is known from
 * Devolutions' own open clients (go-dvls, ansible-dvls, ScriptLibrary).
 */
#include "json.h"
#include "secret_name.h"
#include "wire.h"

#include <string.h>

/* ---- requests ---- */

/* devolutions.login(base, app_key, app_secret) -> request */
static int devolutions_login(lua_State *L) {
  const char *base = lib_checktext(L, 1);
  lib_checktext(L, 2);
  secret_check(L, 3);
  lua_settop(L, 3);
  const char *url = lua_pushfstring(L, "%s/api/v1/login", base);
  struct request *request = request_new(L, "devolutions", "POST", url);
  lua_createtable(L, 0, 2);
  lua_pushvalue(L, 2);
  lua_setfield(L, -2, "appKey");
  lua_pushvalue(L, 3);
  lua_setfield(L, -2, "appSecret");
  request_header(L, request, "Accept", "application/json");
  request_call(L, request, "POST", "/api/v1/login", "appKey,appSecret");
  json_encode(L, lua_gettop(L), &request->body,
              1); /* C writes the secret here, so the gate need not look for its place */
  request->has_body = 1;
  request_header(L, request, "Content-Type", "application/json");
  request->repeatable = 1; /* an unused session does no harm */
  lua_pop(L, 1);
  return 1;
}

static int is_change(const char *method, const char *path) {
  return strcmp(method, "GET") != 0 && strcmp(path, "/api/v1/logout") != 0;
}

/* devolutions.request(base, method, path, query?, body?) -> request */
static int devolutions_request(lua_State *L) {
  static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", NULL};
  size_t length;
  const char *base = lib_checktext(L, 1);
  const char *method = methods[luaL_checkoption(L, 2, NULL, methods)];
  const char *path = luaL_checklstring(L, 3, &length);
  const char *fault = wire_path_fault(path, length);
  luaL_argcheck(L, !fault, 3, fault);
  if (!lua_isnoneornil(L, 4)) luaL_checktype(L, 4, LUA_TTABLE);
  if (!lua_isnoneornil(L, 5)) luaL_checktype(L, 5, LUA_TTABLE);
  lua_settop(L, 5);
  struct buffer *url = buffer_borrow(L);
  buffer_add(L, url, base, strlen(base));
  buffer_add(L, url, path, length);
  wire_query(L, 4, url);
  buffer_add(L, url, "", 1);
  struct request *request = request_new(L, "devolutions", method, url->data);
  buffer_give_back(L, 6);
  request_header(L, request, "Accept", "application/json");
  wire_members(L, 5);
  request_call(L, request, method, path, lua_tostring(L, -1));
  lua_pop(L, 1);
  if (lua_istable(L, 5)) request_json(L, lua_gettop(L), 5);
  request->changes = is_change(method, path);
  request->repeatable = strcmp(method, "POST") != 0;
  return 1;
}

/* devolutions.changes(method, path) -> boolean */
static int devolutions_changes(lua_State *L) {
  const char *method = lib_checktext(L, 1);
  lua_pushboolean(L, is_change(method, lib_checktext(L, 2)));
  return 1;
}

/* devolutions.segment(value) -> string */
static int devolutions_segment(lua_State *L) {
  return wire_segment(L, "");
}

/* ---- failures ---- */

/* The older endpoints answer 200 and say what happened in "result". The
 * numbers are go-dvls' SaveResult. */
static const struct {
  const char *kind, *message;
} results[] = {
    {"refused", "Error"},
    {NULL, "Success"},
    {"denied", "AccessDenied"},
    {"refused", "InvalidData"},
    {"conflict", "AlreadyExists"},
    {"refused", "MaximumReached"},
    {"missing", "NotFound"},
    {"refused", "LicenseExpired"},
    {"transient", "Unknown"},
    {"auth", "TwoFactorTypeNotConfigured"},
    {"auth", "WebApiRedirectToLogin"},
    {"conflict", "DuplicateLoginEmail"},
};

static int push_failure(lua_State *L, const struct answer *answer, const char *kind, const char *message) {
  double retry_after = wire_retry_after(answer);
  luaL_pushfail(L);
  lua_newtable(L);
  wire_set_line(L, "kind", kind);
  wire_set_line(L, "message", message);
  lua_pushinteger(L, answer->status);
  lua_setfield(L, -2, "status");
  if (retry_after < 0) return 2;
  lua_pushnumber(L, retry_after);
  lua_setfield(L, -2, "retry_after");
  return 2;
}

/* What is lifted from the answer to the request at index 1, or to a login when there is none. [-0, +1, m] */
static struct json_rules rules_of(lua_State *L) {
  int sent = luaL_testudata(L, 1, REQUEST) ? request_push_sent(L, 1) : 0;
  return (struct json_rules){.uses = NAMED_IN_ENTRY, .sent = sent};
}

/* Push the message in an error's body, or what the body is instead. [-0, +n, m] */
static const char *push_message(lua_State *L, const struct answer *answer) {
  static const char *const names[] = {"message", "errorMessage", "title", NULL};
  const struct json_rules rules = rules_of(L);
  int decoded = json_decode(L, answer->body.data ? answer->body.data : "", answer->body.length, &rules);
  int body = lua_gettop(L);
  for (const char *const *name = names; decoded && lua_istable(L, body) && *name; name++) {
    const char *text = wire_string(L, body, *name);
    if (text && *text) return text;
  }
  if (wire_is_html(answer)) return "the answer is an HTML page";
  return answer->body.length ? "the answer says no reason" : "the answer is empty";
}

static int judge_error(lua_State *L, const struct answer *answer) {
  const char *kind = answer->status < 400 ? "bad_answer" : wire_kind(answer->status);
  const char *message = answer->status < 400 ? "redirects are not followed" : push_message(L, answer);
  return push_failure(L, answer, kind, message);
}

static int is_success(const struct answer *answer) {
  return answer->status >= 200 && answer->status < 300;
}

/* Push the decoded body and return 1, or push nil and a failure and return 0. [-0, +n, m] */
static int push_body(lua_State *L, const struct answer *answer) {
  const struct json_rules rules = rules_of(L);
  if (!answer->body.length) {
    lua_newtable(L);
    return 1;
  }
  if (json_decode(L, answer->body.data, answer->body.length, &rules)) return 1;
  const char *why = wire_is_html(answer) ? "it is an HTML page" : lua_tostring(L, -1);
  push_failure(L, answer, "bad_answer", lua_pushfstring(L, "the answer is no JSON: %s", why));
  return 0;
}

/* ---- judging ---- */

/* devolutions.judge_login(answer, base) -> credential | nil, failure */
static int devolutions_judge_login(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  const char *base = lib_checktext(L, 2);
  lua_settop(L, 2);
  if (!request_origin(L, base)) return luaL_argerror(L, 2, lua_tostring(L, -1));
  const char *origin = lua_tostring(L, 3);
  long status = answer->status;
  if (status == 400 || status == 401 || status == 403) return push_failure(L, answer, "auth", push_message(L, answer));
  if (!is_success(answer)) return judge_error(L, answer);
  if (!push_body(L, answer)) return 2;
  if (!lua_istable(L, -1)) return push_failure(L, answer, "bad_answer", "the login's answer is no object");
  lua_getfield(L, -1, "tokenId");
  const struct secret *token = secret_test(L, -1);
  if (!token || !wire_visible(token->bytes, token->length))
    return push_failure(L, answer, "bad_answer",
                        "tokenId is missing, no text, or holds characters that no header may carry");
  credential_new(L, origin, "tokenId", "", token->bytes, token->length);
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1); /* redaction masks it while it may be used */
  return 1;
}

/* The failure that the result of an older endpoint names, or -1. [-0, +0, -] */
static int result_of(lua_State *L, int body) {
  if (!lua_istable(L, body)) return -1;
  int is_number = lua_getfield(L, body, "result") == LUA_TNUMBER;
  lua_Integer result = is_number ? lua_tointeger(L, -1) : 1;
  lua_pop(L, 1);
  if (result == 1) return -1;
  return result >= 0 && result < (lua_Integer)(sizeof results / sizeof *results) ? (int)result : 0;
}

/* devolutions.judge(request, answer) -> value | nil, failure */
static int devolutions_judge(lua_State *L) {
  const struct request *request = request_check(L, 1);
  const struct answer *answer = answer_check(L, 2);
  lua_settop(L, 2);
  if (!is_success(answer)) return judge_error(L, answer);
  if (answer->status == 200 && !answer->body.length && strcmp(request->method, "GET") == 0)
    return push_failure(L, answer, "bad_answer", "the answer is empty");
  if (!push_body(L, answer)) return 2;
  int is_current = request->call_count && strncmp(request->calls[0].path, "/api/v1/", 8) == 0;
  int result = is_current ? -1 : result_of(L, lua_gettop(L));
  return result < 0 ? 1 : push_failure(L, answer, results[result].kind, results[result].message);
}

static const luaL_Reg functions[] = {
    {"changes", devolutions_changes},
    {"judge", devolutions_judge},
    {"judge_login", devolutions_judge_login},
    {"login", devolutions_login},
    {"request", devolutions_request},
    {"segment", devolutions_segment},
    {NULL, NULL},
};

int luaopen_host_devolutions(lua_State *L);
int luaopen_host_devolutions(lua_State *L) {
  request_types(L);
  luaL_newlib(L, functions);
  return 1;
}
