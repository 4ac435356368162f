/* host.oauth: judge the answers of the login service. oauth.c builds the requests. The claims of a token are read for
 * diagnostics only. */
#include "oauth_internal.h"

#include "base64.h"
#include "crypto.h"
#include "json.h"
#include "secret.h"
#include "wire.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define MAX_LIFETIME 604800 /* a week: Entra's tokens live shorter, so a longer lifetime is a mistake or an attack */
#define MAX_INTERVAL 300

/* ---- failures ---- */

static int is_guid(const char *text, size_t length) {
  static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (length != sizeof shape - 1) return 0;
  for (size_t i = 0; i < length; i++) {
    int is_right = shape[i] == '-' ? text[i] == '-' : strchr("0123456789abcdefABCDEF", text[i]) != NULL;
    if (!is_right) return 0;
  }
  return 1;
}

/* Push nil and a failure with this error and message; returns 2. [-0, +2, m] */
static int push_oauth_failure(lua_State *L, const struct answer *answer, const char *error, const char *message) {
  double retry_after = wire_retry_after(answer), date = wire_date(answer);
  luaL_pushfail(L);
  lua_newtable(L);
  wire_set_line(L, "error", error);
  wire_set_line(L, "message", message);
  lua_pushinteger(L, answer->status);
  lua_setfield(L, -2, "status");
  if (date >= 0) {
    lua_pushnumber(L, date);
    lua_setfield(L, -2, "date");
  }
  if (retry_after < 0) return 2;
  lua_pushnumber(L, retry_after);
  lua_setfield(L, -2, "retry_after");
  return 2;
}

static int push_unusable_oauth_answer(lua_State *L, const struct answer *answer, const char *reason) {
  return push_oauth_failure(L, answer, "bad_answer",
                            lua_pushfstring(L, "the login service's answer cannot be used: %s", reason));
}

/* Push the description without the ids that Entra appends to it; ids after a line break go with the line. [-0, +1, m]
 */
static void push_oauth_description(lua_State *L, const char *description, const char *error) {
  const char *ids = description ? strstr(description, " Trace ID:") : NULL;
  if (!description)
    lua_pushstring(L, error);
  else
    lua_pushlstring(L, description, ids ? (size_t)(ids - description) : strlen(description));
}

/* Push the list of policies of the text of the member claims, {"access_token":{"capolids":{"values":[…]}}}; any other
 * value where the text says something else. [-0, +1, m] */
static void push_policies(lua_State *L, int body) {
  static const char *const way[] = {"access_token", "capolids", "values", NULL};
  int top = lua_gettop(L);
  const char *claims = wire_push_string(L, body, "claims");
  if (!claims || !json_decode(L, claims, strlen(claims), NULL)) lua_pushnil(L);
  for (const char *const *name = way; *name && lua_istable(L, -1); name++) lua_getfield(L, -1, *name);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

static int is_code(lua_State *L, int index) {
  return lua_isinteger(L, index) && lua_tointeger(L, index) > 0;
}

static int is_policy(lua_State *L, int index) {
  size_t length = 0;
  const char *id = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &length) : "";
  return is_guid(id, length);
}

/* Set name in the failure on top to those items of the list at index that fit. [-0, +0, m] */
static void set_list(lua_State *L, const char *name, int list, int (*fits)(lua_State *L, int index)) {
  lua_Integer count = 0, all = lua_istable(L, list) ? (lua_Integer)lua_rawlen(L, list) : 0;
  lua_newtable(L);
  for (lua_Integer i = 1; i <= all; i++) {
    lua_rawgeti(L, list, i);
    if (fits(L, -1))
      lua_rawseti(L, -2, ++count);
    else
      lua_pop(L, 1);
  }
  lua_setfield(L, -2, name);
}

/* Push nil and the failure that the JSON object at body describes. [-0, +n, m] */
static int push_oauth_error(lua_State *L, const struct answer *answer, int body) {
  const char *error = wire_push_string(L, body, "error");
  const char *description = wire_push_string(L, body, "error_description");
  const char *suberror = wire_push_string(L, body, "suberror");
  const char *trace = wire_push_string(L, body, "trace_id"), *correlation = wire_push_string(L, body, "correlation_id");
  if (!error) return push_oauth_failure(L, answer, "http", "the login service refused, and gave no reason");
  lua_getfield(L, body, "error_codes");
  int codes = lua_gettop(L), policies = codes + 1;
  push_policies(L, body);
  push_oauth_description(L, description, error);
  push_oauth_failure(L, answer, error, lua_tostring(L, -1));
  wire_set_line(L, "suberror", suberror);
  wire_set_line(L, "trace_id", trace);
  wire_set_line(L, "correlation_id", correlation);
  set_list(L, "codes", codes, is_code);
  set_list(L, "policies", policies, is_policy);
  return 2;
}

/* Push nil and the failure of a body that is not a JSON object. [-0, +n, m] */
static int push_oauth_not_json(lua_State *L, const struct answer *answer, const char *why) {
  if (answer->status != 200)
    return push_oauth_failure(L, answer, "http",
                              lua_pushfstring(L, "HTTP %d without a reason in JSON", (int)answer->status));
  if (wire_is_html(answer)) why = "it is an HTML page, as a proxy or a sign-in page would send";
  return push_oauth_failure(L, answer, "not_json",
                            lua_pushfstring(L, "the login service's answer is not JSON: %s", why));
}

/* Push the answer's JSON object and return 0; or push nil and a failure and return 2. [-0, +n, m] */
static int push_oauth_answer(lua_State *L, const struct answer *answer) {
  if (!json_decode(L, answer->body.data ? answer->body.data : "", answer->body.length, NULL))
    return push_oauth_not_json(L, answer, lua_tostring(L, -1));
  if (!lua_istable(L, -1) || json_array_check(L, -1)) return push_oauth_not_json(L, answer, "it is not an object");
  int body = lua_gettop(L);
  int is_error = answer->status != 200 || lua_getfield(L, body, "error") != LUA_TNIL;
  lua_settop(L, body);
  return is_error ? push_oauth_error(L, answer, body) : 0;
}

/* ---- token answers ---- */

/* Return the member as whole seconds from 1 to max, given as a number or (IMDS) as digits; else 0. [-0, +0, -] */
static lua_Integer oauth_seconds_member(lua_State *L, int body, const char *name, lua_Integer max) {
  lua_Integer seconds = 0;
  int type = lua_getfield(L, body, name);
  const char *text = type == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  int is_digits = text && *text && strlen(text) < 12 && text[strspn(text, "0123456789")] == 0;
  if (is_digits || type == LUA_TNUMBER) seconds = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return seconds >= 1 && seconds <= max ? seconds : 0;
}

/* Push the member; return it when it is a secret that may be in a header, else NULL. [-0, +1, -] */
static const struct secret *oauth_secret_member(lua_State *L, int body, const char *name) {
  lua_getfield(L, body, name);
  const struct secret *secret = secret_test(L, -1);
  return secret && wire_is_visible(secret->bytes, secret->length) ? secret : NULL;
}

/* Return the lifetime of the token in the answer at body, in seconds; 0 when the answer does not tell. With now
 * (identity endpoints), expires_on is read too. [-0, +0, -] */
static lua_Integer token_lifetime(lua_State *L, int body, lua_Integer now) {
  lua_Integer seconds = oauth_seconds_member(L, body, "expires_in", MAX_LIFETIME);
  if (seconds || !now) return seconds;
  lua_Integer expiry = oauth_seconds_member(L, body, "expires_on", now + MAX_LIFETIME);
  return expiry > now ? expiry - now : 0;
}

/* Return what is wrong with the token answer at body, or NULL. [-0, +0, -] */
static const char *token_problem(lua_State *L, int body, lua_Integer seconds) {
  const char *type = wire_push_string(L, body, "token_type");
  const char *problem = NULL;
  if (!type || strcasecmp(type, "Bearer") != 0)
    problem = "token_type is not Bearer";
  else if (!oauth_secret_member(L, body, "access_token"))
    problem = "access_token is missing, is not a text, or has characters that a header may not have";
  else if (!seconds)
    problem = "expires_in is not a whole number of seconds between 1 and 604800";
  lua_settop(L, body);
  return problem;
}

static const char *refresh_token_problem(lua_State *L, int body) {
  int absent = lua_getfield(L, body, "refresh_token") == LUA_TNIL;
  int ok = absent || oauth_secret_member(L, body, "refresh_token");
  lua_settop(L, body);
  return ok ? NULL : "refresh_token is not a text";
}

/* Push the claims of a JWT as a table; an empty table when the token is not a JWT. They are for diagnostics only:
 * nothing is trusted because of them. [-0, +1, m] */
static void push_token_claims(lua_State *L, const struct secret *token) {
  const char *payload = memchr(token->bytes, '.', token->length);
  const char *end = payload ? strchr(++payload, '.') : NULL;
  size_t length = end ? (size_t)(end - payload) : 0;
  int top = lua_gettop(L);
  struct buffer *text = buffer_new(L);
  buffer_add(L, text, payload ? payload : "", length); /* reserves as much memory as the decoded payload needs */
  size_t size = length ? base64_decode(payload, length, text->data) : SIZE_MAX;
  if (size != SIZE_MAX) json_decode(L, text->data, size, NULL);
  buffer_free(text);
  if (!lua_istable(L, -1)) lua_newtable(L);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

/* Push a table {credential, claims, expires_in} for the access token at index. The credential anchors the secret, so
 * that redaction masks the token as long as it may be used. [-0, +1, e] */
static void push_oauth_token(lua_State *L, int index, const char *origin, lua_Integer seconds) {
  const struct secret *secret = secret_check(L, index);
  lua_newtable(L);
  int token = lua_gettop(L);
  credential_new(L, origin, "Authorization", "Bearer ", secret->bytes, secret->length);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  lua_setfield(L, token, "credential");
  push_token_claims(L, secret);
  lua_setfield(L, token, "claims");
  lua_pushinteger(L, seconds);
  lua_setfield(L, token, "expires_in");
}

/* Push the origin that the token is for; raise an argument error when the argument is not a URL. [-0, +1, e] */
static const char *push_resource_origin(lua_State *L, int index) {
  if (!request_url_push_origin(L, lib_checktext(L, index))) luaL_argerror(L, index, lua_tostring(L, -1));
  return lua_tostring(L, -1);
}

/* oauth.judge_token(answer, resource) -> token | nil, failure */
int oauth_judge_token(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  lua_settop(L, 2);
  const char *origin = push_resource_origin(L, 2);
  int failure_count = push_oauth_answer(L, answer);
  if (failure_count) return failure_count;
  lua_Integer seconds = token_lifetime(L, 4, 0);
  const char *problem = token_problem(L, 4, seconds);
  if (!problem) problem = refresh_token_problem(L, 4);
  if (problem) return push_unusable_oauth_answer(L, answer, problem);
  lua_getfield(L, 4, "access_token");
  push_oauth_token(L, 5, origin, seconds);
  lua_getfield(L, 4, "refresh_token");
  lua_setfield(L, -2, "refresh_token");
  const char *scope = wire_push_string(L, 4, "scope");
  if (scope) secret_redact(L, scope, strlen(scope));
  lua_setfield(L, 6, "scope");
  lua_settop(L, 6);
  return 1;
}

/* oauth.judge_identity(answer, resource, now) -> token | nil, failure. Identity endpoints have no refresh tokens;
 * some send an empty one. */
int oauth_judge_identity(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  lua_Integer now = (lua_Integer)luaL_checknumber(L, 3);
  lua_settop(L, 2);
  const char *origin = push_resource_origin(L, 2);
  int failure_count = push_oauth_answer(L, answer);
  if (failure_count) return failure_count;
  lua_Integer seconds = token_lifetime(L, 4, now);
  const char *problem = token_problem(L, 4, seconds);
  if (problem) return push_unusable_oauth_answer(L, answer, problem);
  lua_getfield(L, 4, "access_token");
  push_oauth_token(L, 5, origin, seconds);
  return 1;
}

/* Return what is wrong with a token that was handed in, whose claims are at index; or NULL and its remaining seconds.
 * [-0, +0, -] */
static const char *handed_token_problem(lua_State *L, int claims, lua_Integer now, lua_Integer *seconds) {
  int is_number = lua_getfield(L, claims, "exp") == LUA_TNUMBER;
  lua_Number end = lua_tonumber(L, -1);
  lua_pop(L, 1);
  if (!is_number) return "it is not an access token for Graph: it does not tell when it expires";
  if (end <= (lua_Number)now) return "it has expired";
  *seconds = end - (lua_Number)now > MAX_LIFETIME ? MAX_LIFETIME : (lua_Integer)end - now;
  return NULL;
}

/* oauth.expiry(token) -> seconds since 1970 | nil: the claim exp of a JWT (RFC 7519, 4.1.4), which nobody verified. */
int oauth_judge_expiry(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  lua_settop(L, 1);
  push_token_claims(L, secret);
  if (lua_getfield(L, -1, "exp") != LUA_TNUMBER) return 0;
  return 1;
}

/* oauth.given(access_token, resource, now) -> token | nil, message */
int oauth_judge_given(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  lua_Integer now = (lua_Integer)luaL_checknumber(L, 3), seconds = 0;
  lua_settop(L, 2);
  const char *origin = push_resource_origin(L, 2);
  if (!wire_is_visible(secret->bytes, secret->length))
    return lib_fail(L, "it is not a token: it has characters that a header may not have");
  push_token_claims(L, secret);
  const char *problem = handed_token_problem(L, 4, now, &seconds);
  if (problem) return lib_fail(L, "%s", problem);
  push_oauth_token(L, 1, origin, seconds);
  return 1;
}

/* ---- device code and discovery answers ---- */

/* Copy the text member of body to the table on top, as one printable line; 0 when it is missing. [-0, +0, m] */
static int copy_oauth_text_line(lua_State *L, int body, const char *name) {
  const char *text = wire_push_string(L, body, name);
  int ok = text && *text;
  if (ok)
    wire_push_line(L, text);
  else
    lua_pushnil(L);
  lua_setfield(L, -3, name);
  lua_pop(L, 1);
  return ok;
}

static int is_oauth_https_member(lua_State *L, int body, const char *name) {
  const char *text = wire_push_string(L, body, name);
  int ok = text && strncmp(text, "https://", 8) == 0 && wire_is_visible(text, strlen(text));
  lua_pop(L, 1);
  return ok;
}

/* Fill the table on top of the stack from the answer at body. Returns what is wrong, or NULL. [-0, +0, m] */
static const char *fill_device_code(lua_State *L, int body) {
  lua_Integer expires_in = oauth_seconds_member(L, body, "expires_in", MAX_LIFETIME);
  lua_Integer interval = oauth_seconds_member(L, body, "interval", MAX_INTERVAL);
  int is_secret = oauth_secret_member(L, body, "device_code") != NULL;
  lua_setfield(L, -2, "device_code");
  lua_pushinteger(L, expires_in);
  lua_setfield(L, -2, "expires_in");
  lua_pushinteger(L, interval ? interval : 5); /* RFC 8628: 5 seconds when absent */
  lua_setfield(L, -2, "interval");
  if (!is_secret) return "device_code is missing or not a text";
  if (!copy_oauth_text_line(L, body, "user_code")) return "user_code is missing or not a text";
  if (!is_oauth_https_member(L, body, "verification_uri")) return "verification_uri is not an https address";
  copy_oauth_text_line(L, body, "verification_uri");
  copy_oauth_text_line(L, body, "message"); /* not in RFC 8628: may be absent */
  return expires_in ? NULL : "expires_in is not a whole number of seconds between 1 and 604800";
}

/* oauth.judge_device_code(answer) -> table | nil, failure */
int oauth_judge_device_code(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  lua_settop(L, 1);
  int failure_count = push_oauth_answer(L, answer);
  if (failure_count) return failure_count;
  lua_newtable(L);
  const char *problem = fill_device_code(L, 2);
  return problem ? push_unusable_oauth_answer(L, answer, problem) : 1;
}

/* Is the member of body a URL of this origin? [-0, +0, m] */
static int is_discovery_url_at_origin(lua_State *L, int body, const char *name, const char *origin) {
  int top = lua_gettop(L);
  const char *url = wire_push_string(L, body, name);
  int ok = url && request_url_push_origin(L, url) && strcmp(lua_tostring(L, -1), origin) == 0;
  lua_settop(L, top);
  return ok;
}

/* Return what is wrong with the endpoints, or NULL. An endpoint at another origin would receive the client secret;
 * endpoints that are never used may be anywhere. */
static const char *discovery_endpoint_problem(lua_State *L, int body, const char *origin) {
  if (!is_discovery_url_at_origin(L, body, "issuer", origin))
    return "issuer is missing or at another host than the authority";
  if (!is_discovery_url_at_origin(L, body, "token_endpoint", origin))
    return "token_endpoint is missing or at another host than the authority";
  static const char *const optional[] = {"authorization_endpoint", "device_authorization_endpoint", NULL};
  for (const char *const *name = optional; *name; name++) {
    int is_absent = lua_getfield(L, body, *name) == LUA_TNIL;
    lua_pop(L, 1);
    if (!is_absent && !is_discovery_url_at_origin(L, body, *name, origin))
      return lua_pushfstring(L, "%s is at another host than the authority", *name);
  }
  return NULL;
}

/* Push {tenant, issuer} and return 1, or push nil and a failure and return 2. [-0, +n, m] */
static int push_tenant_and_issuer(lua_State *L, const struct answer *answer, int body, const char *authority) {
  const char *issuer = wire_push_string(L, body, "issuer");
  const char *path = wire_path_of(issuer);
  const char *tenant = *path == '/' ? path + 1 : "";
  const char *expected = wire_path_of(authority) + 1;
  size_t length = strcspn(tenant, "/");
  if (!is_guid(tenant, length)) return push_unusable_oauth_answer(L, answer, "issuer names no tenant");
  if (is_guid(expected, strlen(expected)) && strncasecmp(tenant, expected, length) != 0)
    return push_unusable_oauth_answer(L, answer, "issuer is another tenant than the requested one");
  lua_newtable(L);
  lua_pushlstring(L, tenant, length);
  lua_setfield(L, -2, "tenant");
  lua_pushstring(L, issuer);
  lua_setfield(L, -2, "issuer");
  return 1;
}

/* oauth.judge_discovery(answer, authority) -> {tenant, issuer} | nil, failure */
int oauth_judge_discovery(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  const char *authority = oauth_check_authority(L, 2);
  lua_settop(L, 2);
  if (!request_url_push_origin(L, authority)) return luaL_argerror(L, 2, lua_tostring(L, -1));
  const char *origin = lua_tostring(L, 3);
  int failure_count = push_oauth_answer(L, answer);
  if (failure_count) return failure_count;
  const char *problem = discovery_endpoint_problem(L, 4, origin);
  return problem ? push_unusable_oauth_answer(L, answer, problem) : push_tenant_and_issuer(L, answer, 4, authority);
}
