/* host.devolutions: the protocol of Devolutions Server's public API: build requests, and judge answers.
 *
 * The session id of a login leaves this process only in a credential for the server's origin. Source of the API:
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
  request_add_header(L, request, "Accept", "application/json");
  request_add_call(L, request, "POST", "/api/v1/login", "appKey,appSecret");
  json_encode(L, lua_gettop(L), &request->body,
              1); /* the last argument writes the secret's bytes: the gate need not look for its place in the body */
  request->has_body = 1;
  request_add_header(L, request, "Content-Type", "application/json");
  request->repeatable = 1; /* a session that nobody uses does no harm */
  lua_pop(L, 1);
  return 1;
}

static int is_devolutions_change(const char *method, const char *path) {
  return strcmp(method, "GET") != 0 && strcmp(path, "/api/v1/logout") != 0;
}

/* devolutions.request(base, method, path, query?, body?) -> request */
static int devolutions_request(lua_State *L) {
  static const char *const methods[] = {"GET", "POST", "PUT", "DELETE", NULL};
  size_t length;
  const char *base = lib_checktext(L, 1);
  const char *method = methods[luaL_checkoption(L, 2, NULL, methods)];
  const char *path = luaL_checklstring(L, 3, &length);
  const char *problem = wire_path_problem(path, length);
  luaL_argcheck(L, !problem, 3, problem);
  if (!lua_isnoneornil(L, 4)) luaL_checktype(L, 4, LUA_TTABLE);
  if (!lua_isnoneornil(L, 5)) luaL_checktype(L, 5, LUA_TTABLE);
  lua_settop(L, 5);
  struct buffer *url = buffer_borrow(L);
  buffer_add(L, url, base, strlen(base));
  buffer_add(L, url, path, length);
  wire_append_query(L, 4, url);
  buffer_add(L, url, "", 1);
  struct request *request = request_new(L, "devolutions", method, url->data);
  buffer_give_back(L, 6);
  request_add_header(L, request, "Accept", "application/json");
  wire_push_members(L, 5);
  request_add_call(L, request, method, path, lua_tostring(L, -1));
  lua_pop(L, 1);
  if (lua_istable(L, 5)) request_set_json_body(L, lua_gettop(L), 5, NULL);
  request->changes = is_devolutions_change(method, path);
  request->repeatable = strcmp(method, "POST") != 0;
  return 1;
}

/* devolutions.changes(method, path) -> boolean */
static int devolutions_changes(lua_State *L) {
  const char *method = lib_checktext(L, 1);
  lua_pushboolean(L, is_devolutions_change(method, lib_checktext(L, 2)));
  return 1;
}

/* devolutions.segment(value) -> string */
static int devolutions_segment(lua_State *L) {
  return wire_push_segment(L, "");
}

/* ---- failed answers ---- */

/* The older endpoints answer 200 and report the outcome in the member "result": an index into this list, which is
 * go-dvls' SaveResult. */
static const struct {
  const char *kind, *message;
} save_results[] = {
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

/* Return the rules for decoding the answer to the request at index 1, or to a login when index 1 is no request: which
 * members become secrets. Pushes the table of sent secrets for a request, and nothing for a login. [-0, +(0|1), m] */
static struct json_rules devolutions_json_rules(lua_State *L) {
  int sent = luaL_testudata(L, 1, REQUEST) ? request_push_sent_secrets(L, 1) : 0;
  return (struct json_rules){.uses = NAMED_IN_ENTRY, .sent = sent};
}

/* Return the message in an error's body, or a sentence that says what the body is instead. [-0, +n, m] */
static const char *devolutions_error_message(lua_State *L, const struct answer *answer) {
  static const char *const names[] = {"message", "errorMessage", "title", NULL};
  const struct json_rules rules = devolutions_json_rules(L);
  int decoded = json_decode(L, answer->body.data ? answer->body.data : "", answer->body.length, &rules);
  int body = lua_gettop(L);
  for (const char *const *name = names; decoded && lua_istable(L, body) && *name; name++) {
    const char *text = wire_push_string(L, body, *name);
    if (text && *text) return text;
  }
  if (wire_is_html(answer)) return "the answer is an HTML page";
  return answer->body.length ? "the answer gives no reason" : "the answer is empty";
}

/* Push nil and the failure of an answer whose status is not 2xx. [-0, +n, m] */
static int push_devolutions_status_failure(lua_State *L, const struct answer *answer) {
  const char *kind = answer->status < 400 ? "bad_answer" : wire_status_kind(answer->status);
  const char *message = answer->status < 400 ? "the server sent a redirect; redirects are never followed"
                                             : devolutions_error_message(L, answer);
  return wire_push_failure(L, answer, kind, message);
}

static int is_devolutions_success(const struct answer *answer) {
  return answer->status >= 200 && answer->status < 300;
}

/* Push the decoded body and return 1, or push nil and a failure and return 0. [-0, +n, m] */
static int push_devolutions_body(lua_State *L, const struct answer *answer) {
  const struct json_rules rules = devolutions_json_rules(L);
  if (!answer->body.length) {
    lua_newtable(L);
    return 1;
  }
  if (json_decode(L, answer->body.data, answer->body.length, &rules)) return 1;
  const char *why = wire_is_html(answer) ? "it is an HTML page" : lua_tostring(L, -1);
  wire_push_failure(L, answer, "bad_answer", lua_pushfstring(L, "the answer is not JSON: %s", why));
  return 0;
}

/* ---- judging ---- */

/* devolutions.judge_login(answer, base) -> credential | nil, failure */
static int devolutions_judge_login(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  const char *base = lib_checktext(L, 2);
  lua_settop(L, 2);
  if (!request_url_push_origin(L, base)) return luaL_argerror(L, 2, lua_tostring(L, -1));
  const char *origin = lua_tostring(L, 3);
  long status = answer->status;
  if (status == 400 || status == 401 || status == 403)
    return wire_push_failure(L, answer, "auth", devolutions_error_message(L, answer));
  if (!is_devolutions_success(answer)) return push_devolutions_status_failure(L, answer);
  if (!push_devolutions_body(L, answer)) return 2;
  if (!lua_istable(L, -1))
    return wire_push_failure(L, answer, "bad_answer", "the answer to the login is not a JSON object");
  lua_getfield(L, -1, "tokenId");
  const struct secret *token = secret_test(L, -1);
  if (!token || !wire_is_visible(token->bytes, token->length))
    return wire_push_failure(L, answer, "bad_answer",
                             "tokenId is missing, is not a text, or has characters that a header may not have");
  credential_new(L, origin, "tokenId", "", token->bytes, token->length);
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1); /* redaction masks the token as long as the credential exists */
  return 1;
}

/* Return the index in save_results of the failure in an older endpoint's answer; -1 when the answer reports success.
 * [-0, +0, -] */
static int devolutions_save_failure(lua_State *L, int body) {
  if (!lua_istable(L, body)) return -1;
  int is_number = lua_getfield(L, body, "result") == LUA_TNUMBER;
  lua_Integer result = is_number ? lua_tointeger(L, -1) : 1;
  lua_pop(L, 1);
  if (result == 1) return -1;
  return result >= 0 && result < (lua_Integer)(sizeof save_results / sizeof *save_results) ? (int)result : 0;
}

/* devolutions.judge(request, answer) -> value | nil, failure */
static int devolutions_judge(lua_State *L) {
  const struct request *request = request_check(L, 1);
  const struct answer *answer = answer_check(L, 2);
  lua_settop(L, 2);
  if (!is_devolutions_success(answer)) return push_devolutions_status_failure(L, answer);
  if (answer->status == 200 && !answer->body.length && strcmp(request->method, "GET") == 0)
    return wire_push_failure(L, answer, "bad_answer", "the answer is empty");
  if (!push_devolutions_body(L, answer)) return 2;
  int is_v1_call = request->call_count && strncmp(request->calls[0].path, "/api/v1/", 8) == 0;
  int result = is_v1_call ? -1 : devolutions_save_failure(L, lua_gettop(L));
  return result < 0 ? 1 : wire_push_failure(L, answer, save_results[result].kind, save_results[result].message);
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
