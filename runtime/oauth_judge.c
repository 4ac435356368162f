/* host.oauth: judging the answers of the login service. Only their form is relied on: a token's claims are read
 * for diagnostics only. */
#include "oauth_internal.h"

#include "base64.h"
#include "crypto.h"
#include "json.h"
#include "secret.h"
#include "wire.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

#define MAX_LIFETIME 604800 /* a week: no token of ours lives longer, so more is a mistake or an attack */
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

/* Push nil and a failure with these; returns 2. [-0, +2, m] */
static int push_fault(lua_State *L, const struct answer *answer, const char *error, const char *message) {
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

static int push_shape_fault(lua_State *L, const struct answer *answer, const char *what) {
  return push_fault(L, answer, "bad_answer", lua_pushfstring(L, "the login service's answer is not usable: %s", what));
}

/* Push the description without the ids that Entra appends to it; those after a line break go with the line. [-0, +1, m] */
static void push_description(lua_State *L, const char *description, const char *error) {
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
  const char *claims = wire_string(L, body, "claims");
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

/* Push nil and the failure that the JSON object at body says. [-0, +n, m] */
static int push_error_body(lua_State *L, const struct answer *answer, int body) {
  const char *error = wire_string(L, body, "error");
  const char *description = wire_string(L, body, "error_description");
  const char *suberror = wire_string(L, body, "suberror");
  const char *trace = wire_string(L, body, "trace_id"), *correlation = wire_string(L, body, "correlation_id");
  if (!error) return push_fault(L, answer, "http", "the login service refused without saying why");
  lua_getfield(L, body, "error_codes");
  int codes = lua_gettop(L), policies = codes + 1;
  push_policies(L, body);
  push_description(L, description, error);
  push_fault(L, answer, error, lua_tostring(L, -1));
  wire_set_line(L, "suberror", suberror);
  wire_set_line(L, "trace_id", trace);
  wire_set_line(L, "correlation_id", correlation);
  set_list(L, "codes", codes, is_code);
  set_list(L, "policies", policies, is_policy);
  return 2;
}

/* Push nil and the failure of a body that is no JSON object. [-0, +n, m] */
static int push_no_json(lua_State *L, const struct answer *answer, const char *why) {
  if (answer->status != 200)
    return push_fault(L, answer, "http", lua_pushfstring(L, "HTTP %d without a reason in JSON", (int)answer->status));
  if (wire_is_html(answer)) why = "it is an HTML page, as a proxy or a sign-in page would send";
  return push_fault(L, answer, "not_json", lua_pushfstring(L, "the login service's answer is no JSON: %s", why));
}

/* Push the answer's JSON object and return 0; or push nil and a failure and return 2. [-0, +n, m] */
static int push_object(lua_State *L, const struct answer *answer) {
  if (!json_decode(L, answer->body.data ? answer->body.data : "", answer->body.length, NULL))
    return push_no_json(L, answer, lua_tostring(L, -1));
  if (!lua_istable(L, -1) || json_is_array(L, -1)) return push_no_json(L, answer, "it is no object");
  int body = lua_gettop(L);
  int is_error = answer->status != 200 || lua_getfield(L, body, "error") != LUA_TNIL;
  lua_settop(L, body);
  return is_error ? push_error_body(L, answer, body) : 0;
}

/* ---- token answers ---- */

/* The member as whole seconds from 1 to most, as a number or (IMDS) as digits; else 0. [-0, +0, -] */
static lua_Integer seconds_member(lua_State *L, int body, const char *name, lua_Integer most) {
  lua_Integer seconds = 0;
  int type = lua_getfield(L, body, name);
  const char *text = type == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  int is_digits = text && *text && strlen(text) < 12 && text[strspn(text, "0123456789")] == 0;
  if (is_digits || type == LUA_TNUMBER) seconds = lua_tointeger(L, -1);
  lua_pop(L, 1);
  return seconds >= 1 && seconds <= most ? seconds : 0;
}

/* Push the member and return it when it is a secret that may stand in a header, else NULL. [-0, +1, -] */
static const struct secret *secret_member(lua_State *L, int body, const char *name) {
  lua_getfield(L, body, name);
  const struct secret *secret = secret_test(L, -1);
  return secret && wire_visible(secret->bytes, secret->length) ? secret : NULL;
}

/* How long the token of the answer at body lives, in seconds; 0 when that is
 * not said. With now (identity endpoints) its end will do. */
static lua_Integer lifetime(lua_State *L, int body, lua_Integer now) {
  lua_Integer seconds = seconds_member(L, body, "expires_in", MAX_LIFETIME);
  if (seconds || !now) return seconds;
  lua_Integer end = seconds_member(L, body, "expires_on", now + MAX_LIFETIME);
  return end > now ? end - now : 0;
}

/* What is wrong with the token answer at body, or NULL. Leaves nothing on the stack. */
static const char *token_fault(lua_State *L, int body, lua_Integer seconds) {
  const char *type = wire_string(L, body, "token_type");
  const char *fault = NULL;
  if (!type || strcasecmp(type, "Bearer") != 0)
    fault = "token_type is not Bearer";
  else if (!secret_member(L, body, "access_token"))
    fault = "access_token is missing, no text, or holds characters that no header may carry";
  else if (!seconds)
    fault = "expires_in is no whole number of seconds between 1 and 604800";
  lua_settop(L, body);
  return fault;
}

static const char *refresh_fault(lua_State *L, int body) {
  int absent = lua_getfield(L, body, "refresh_token") == LUA_TNIL;
  int fine = absent || secret_member(L, body, "refresh_token");
  lua_settop(L, body);
  return fine ? NULL : "refresh_token is no text";
}

/* Push the payload of a JWT as a table; an empty one when it is no JWT: it is
 * only read for diagnostics, nothing is believed because of it. [-0, +1, m] */
static void push_claims(lua_State *L, const struct secret *token) {
  const char *payload = memchr(token->bytes, '.', token->length);
  const char *end = payload ? strchr(++payload, '.') : NULL;
  size_t length = end ? (size_t)(end - payload) : 0;
  int top = lua_gettop(L);
  struct buffer *text = buffer_new(L);
  buffer_add(L, text, payload ? payload : "", length); /* as much room as it decodes into */
  size_t size = length ? base64_decode(payload, length, text->data) : SIZE_MAX;
  if (size != SIZE_MAX) json_decode(L, text->data, size, NULL);
  buffer_free(text);
  if (!lua_istable(L, -1)) lua_newtable(L);
  lua_replace(L, top + 1);
  lua_settop(L, top + 1);
}

/* Push the token table for the secret at index. The secret stays anchored in
 * the credential, so that redaction knows the token while it may be used. [-0, +1, e] */
static void push_token(lua_State *L, int index, const char *origin, lua_Integer seconds) {
  const struct secret *secret = secret_check(L, index);
  lua_newtable(L);
  int token = lua_gettop(L);
  credential_new(L, origin, "Authorization", "Bearer ", secret->bytes, secret->length);
  lua_pushvalue(L, index);
  lua_setiuservalue(L, -2, 1);
  lua_setfield(L, token, "credential");
  push_claims(L, secret);
  lua_setfield(L, token, "claims");
  lua_pushinteger(L, seconds);
  lua_setfield(L, token, "expires_in");
}

/* Push the origin the token is for; raises when the argument is no URL. [-0, +1, e] */
static const char *push_resource(lua_State *L, int index) {
  if (!request_origin(L, lib_checktext(L, index))) luaL_argerror(L, index, lua_tostring(L, -1));
  return lua_tostring(L, -1);
}

/* oauth.judge_token(answer, resource) -> token | nil, failure */
int oauth_judge_token(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  lua_settop(L, 2);
  const char *origin = push_resource(L, 2);
  int failed = push_object(L, answer);
  if (failed) return failed;
  lua_Integer seconds = lifetime(L, 4, 0);
  const char *fault = token_fault(L, 4, seconds);
  if (!fault) fault = refresh_fault(L, 4);
  if (fault) return push_shape_fault(L, answer, fault);
  lua_getfield(L, 4, "access_token");
  push_token(L, 5, origin, seconds);
  lua_getfield(L, 4, "refresh_token");
  lua_setfield(L, -2, "refresh_token");
  const char *scope = wire_string(L, 4, "scope");
  if (scope) secret_redact(L, scope, strlen(scope));
  lua_setfield(L, 6, "scope");
  lua_settop(L, 6);
  return 1;
}

/* oauth.judge_identity(answer, resource, now) -> token | nil, failure. These
 * endpoints know no refresh tokens; some send an empty one. */
int oauth_judge_identity(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  lua_Integer now = (lua_Integer)luaL_checknumber(L, 3);
  lua_settop(L, 2);
  const char *origin = push_resource(L, 2);
  int failed = push_object(L, answer);
  if (failed) return failed;
  lua_Integer seconds = lifetime(L, 4, now);
  const char *fault = token_fault(L, 4, seconds);
  if (fault) return push_shape_fault(L, answer, fault);
  lua_getfield(L, 4, "access_token");
  push_token(L, 5, origin, seconds);
  return 1;
}

/* What is wrong with a token somebody handed in, whose claims are at index; or
 * NULL and its seconds. [-0, +0, -] */
static const char *given_fault(lua_State *L, int claims, lua_Integer now, lua_Integer *seconds) {
  int is_number = lua_getfield(L, claims, "exp") == LUA_TNUMBER;
  lua_Number end = lua_tonumber(L, -1);
  lua_pop(L, 1);
  if (!is_number) return "it is no access token for Graph: nothing in it says when it ends";
  if (end <= (lua_Number)now) return "it has expired";
  *seconds = end - (lua_Number)now > MAX_LIFETIME ? MAX_LIFETIME : (lua_Integer)end - now;
  return NULL;
}

/* oauth.given(access_token, resource, now) -> token | nil, message */
int oauth_given(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  lua_Integer now = (lua_Integer)luaL_checknumber(L, 3), seconds = 0;
  lua_settop(L, 2);
  const char *origin = push_resource(L, 2);
  if (!wire_visible(secret->bytes, secret->length))
    return lib_fail(L, "it holds characters that no header may carry, so it is no token");
  push_claims(L, secret);
  const char *fault = given_fault(L, 4, now, &seconds);
  if (fault) return lib_fail(L, "%s", fault);
  push_token(L, 1, origin, seconds);
  return 1;
}

/* ---- device code and discovery answers ---- */

/* Set name in the table on top to the text member of body; 0 when that is no printable line. [-0, +0, m] */
static int copy_line(lua_State *L, int body, const char *name) {
  const char *text = wire_string(L, body, name);
  int is_good = text && *text;
  if (is_good)
    wire_line(L, text);
  else
    lua_pushnil(L);
  lua_setfield(L, -3, name);
  lua_pop(L, 1);
  return is_good;
}

static int is_https(lua_State *L, int body, const char *name) {
  const char *text = wire_string(L, body, name);
  int is_good = text && strncmp(text, "https://", 8) == 0 && wire_visible(text, strlen(text));
  lua_pop(L, 1);
  return is_good;
}

/* Fill the table on top of the stack; what is wrong, or NULL. [-0, +0, m] */
static const char *fill_device_code(lua_State *L, int body) {
  lua_Integer expires_in = seconds_member(L, body, "expires_in", MAX_LIFETIME);
  lua_Integer interval = seconds_member(L, body, "interval", MAX_INTERVAL);
  int is_secret = secret_member(L, body, "device_code") != NULL;
  lua_setfield(L, -2, "device_code");
  lua_pushinteger(L, expires_in);
  lua_setfield(L, -2, "expires_in");
  lua_pushinteger(L, interval ? interval : 5); /* RFC 8628: 5 when absent */
  lua_setfield(L, -2, "interval");
  if (!is_secret) return "device_code is missing or no text";
  if (!copy_line(L, body, "user_code")) return "user_code is missing or no text";
  if (!is_https(L, body, "verification_uri")) return "verification_uri is no https address";
  copy_line(L, body, "verification_uri");
  copy_line(L, body, "message"); /* RFC 8628 knows none */
  return expires_in ? NULL : "expires_in is no whole number of seconds between 1 and 604800";
}

/* oauth.judge_device_code(answer) -> table | nil, failure */
int oauth_judge_device_code(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  lua_settop(L, 1);
  int failed = push_object(L, answer);
  if (failed) return failed;
  lua_newtable(L);
  const char *fault = fill_device_code(L, 2);
  return fault ? push_shape_fault(L, answer, fault) : 1;
}

/* Is the member of body a URL of this origin? [-0, +0, m] */
static int is_at(lua_State *L, int body, const char *name, const char *origin) {
  int top = lua_gettop(L);
  const char *url = wire_string(L, body, name);
  int is_good = url && request_origin(L, url) && strcmp(lua_tostring(L, -1), origin) == 0;
  lua_settop(L, top);
  return is_good;
}

/* What is wrong with the endpoints, or NULL. An endpoint at another origin would get the client secret;
 * endpoints that we never use may be anywhere. */
static const char *endpoint_fault(lua_State *L, int body, const char *origin) {
  if (!is_at(L, body, "issuer", origin)) return "issuer is missing or at another host than the authority";
  if (!is_at(L, body, "token_endpoint", origin))
    return "token_endpoint is missing or at another host than the authority";
  static const char *const optional[] = {"authorization_endpoint", "device_authorization_endpoint", NULL};
  for (const char *const *name = optional; *name; name++) {
    int is_absent = lua_getfield(L, body, *name) == LUA_TNIL;
    lua_pop(L, 1);
    if (!is_absent && !is_at(L, body, *name, origin))
      return lua_pushfstring(L, "%s is at another host than the authority", *name);
  }
  return NULL;
}

/* Push {tenant, issuer} and return 1, or nil and a failure. [-0, +n, m] */
static int push_tenant(lua_State *L, const struct answer *answer, int body, const char *authority) {
  const char *issuer = wire_string(L, body, "issuer");
  const char *path = wire_path_of(issuer);
  const char *tenant = *path == '/' ? path + 1 : "";
  const char *wanted = wire_path_of(authority) + 1;
  size_t length = strcspn(tenant, "/");
  if (!is_guid(tenant, length)) return push_shape_fault(L, answer, "issuer names no tenant");
  if (is_guid(wanted, strlen(wanted)) && strncasecmp(tenant, wanted, length) != 0)
    return push_shape_fault(L, answer, "issuer is another tenant than the one asked for");
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
  if (!request_origin(L, authority)) return luaL_argerror(L, 2, lua_tostring(L, -1));
  const char *origin = lua_tostring(L, 3);
  int failed = push_object(L, answer);
  if (failed) return failed;
  const char *fault = endpoint_fault(L, 4, origin);
  return fault ? push_shape_fault(L, answer, fault) : push_tenant(L, answer, 4, authority);
}
