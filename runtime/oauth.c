/* host.oauth: the Microsoft identity platform, protocol only.
 *
 * Builds the requests of the token, device code and discovery endpoints, and
 * judges their answers. Knows nothing of sending, waiting or whose sign-in it
 * is. Secrets enter as host.secret and go straight into the request's body,
 * which is wiped; an access token leaves inside a credential bound to the
 * resource's origin. Shapes and errors: learn.microsoft.com, "OAuth 2.0 and
 * OpenID Connect protocols".
 */
#include "json.h"
#include "secret.h"
#include "wire.h"

#include <string.h>
#include <strings.h>

#define GRANT_DEVICE "urn:ietf:params:oauth:grant-type:device_code"
#define MAX_LIFETIME 604800 /* a week: no token of ours lives longer; more is a mistake or an attack */
#define MAX_INTERVAL 300

/* ---- requests ---- */

/* Raise unless the argument is an origin and one path segment, the tenant. */
static const char *check_authority(lua_State *L, int index) {
  const char *authority = luaL_checkstring(L, index);
  const char *path = wire_path_of(authority);
  const char *fault = wire_path_fault(path, strlen(path));
  if (!fault && strchr(path + 1, '/')) fault = "more than one segment";
  if (fault) luaL_argerror(L, index, lua_pushfstring(L, "an authority is https://host/tenant; its path has %s", fault));
  return authority;
}

/* Push a request for authority + suffix. None of these change the directory,
 * and each may be sent twice. [-0, +1, e] */
static struct request *new_request(lua_State *L, const char *method, const char *authority, const char *suffix) {
  const char *url = lua_pushfstring(L, "%s%s", authority, suffix);
  struct request *request = request_new(L, "login", method, url);
  request_call(L, request, method, wire_path_of(url), NULL);
  request_header(L, request, "Accept", "application/json");
  request->repeatable = 1;
  lua_remove(L, -2);
  return request;
}

static struct request *new_form(lua_State *L, const char *authority, const char *suffix) {
  struct request *request = new_request(L, "POST", authority, suffix);
  request_header(L, request, "Content-Type", "application/x-www-form-urlencoded");
  request->has_body = 1;
  return request;
}

static void add_text(lua_State *L, struct request *request, const char *name, const char *value) {
  wire_form(L, &request->body, name, value, strlen(value));
}

static void add_secret(lua_State *L, struct request *request, const char *name, int index) {
  const struct secret *secret = secret_check(L, index);
  wire_form(L, &request->body, name, secret->bytes, secret->length);
}

/* oauth.discovery(authority) -> request */
static int oauth_discovery(lua_State *L) {
  const char *authority = check_authority(L, 1);
  new_request(L, "GET", authority, "/v2.0/.well-known/openid-configuration");
  return 1;
}

/* oauth.device_code(authority, client_id, scope) -> request */
static int oauth_device_code(lua_State *L) {
  const char *authority = check_authority(L, 1);
  const char *client_id = luaL_checkstring(L, 2);
  const char *scope = luaL_checkstring(L, 3);
  struct request *request = new_form(L, authority, "/oauth2/v2.0/devicecode");
  add_text(L, request, "client_id", client_id);
  add_text(L, request, "scope", scope);
  return 1;
}

/* oauth.device_token(authority, client_id, device_code) -> request */
static int oauth_device_token(lua_State *L) {
  const char *authority = check_authority(L, 1);
  const char *client_id = luaL_checkstring(L, 2);
  secret_check(L, 3);
  struct request *request = new_form(L, authority, "/oauth2/v2.0/token");
  add_text(L, request, "grant_type", GRANT_DEVICE);
  add_text(L, request, "client_id", client_id);
  add_secret(L, request, "device_code", 3);
  return 1;
}

/* oauth.client_secret(authority, client_id, client_secret, scope) -> request */
static int oauth_client_secret(lua_State *L) {
  const char *authority = check_authority(L, 1);
  const char *client_id = luaL_checkstring(L, 2);
  secret_check(L, 3);
  const char *scope = luaL_checkstring(L, 4);
  struct request *request = new_form(L, authority, "/oauth2/v2.0/token");
  add_text(L, request, "grant_type", "client_credentials");
  add_text(L, request, "client_id", client_id);
  add_text(L, request, "scope", scope);
  add_secret(L, request, "client_secret", 3);
  return 1;
}

/* oauth.refresh(authority, client_id, refresh_token, scope) -> request */
static int oauth_refresh(lua_State *L) {
  const char *authority = check_authority(L, 1);
  const char *client_id = luaL_checkstring(L, 2);
  secret_check(L, 3);
  const char *scope = luaL_checkstring(L, 4);
  struct request *request = new_form(L, authority, "/oauth2/v2.0/token");
  add_text(L, request, "grant_type", "refresh_token");
  add_text(L, request, "client_id", client_id);
  add_text(L, request, "scope", scope);
  add_secret(L, request, "refresh_token", 3);
  return 1;
}

/* ---- failures ---- */

/* Push nil and a failure with these; returns 2. [-0, +2, m] */
static int push_fault(lua_State *L, const struct answer *answer, const char *error, const char *message) {
  double retry_after = wire_retry_after(answer);
  luaL_pushfail(L);
  lua_newtable(L);
  wire_set_line(L, "error", error);
  wire_set_line(L, "message", message);
  lua_pushinteger(L, answer->status);
  lua_setfield(L, -2, "status");
  if (retry_after < 0) return 2;
  lua_pushnumber(L, retry_after);
  lua_setfield(L, -2, "retry_after");
  return 2;
}

static int push_shape_fault(lua_State *L, const struct answer *answer, const char *what) {
  return push_fault(L, answer, "bad_answer", lua_pushfstring(L, "the login service's answer is not usable: %s", what));
}

/* The number in "AADSTS7000215: …", or 0. */
static lua_Integer code_in(const char *text) {
  const char *found = text ? strstr(text, "AADSTS") : NULL;
  lua_Integer code = 0;
  if (!found) return 0;
  for (found += 6; *found >= '0' && *found <= '9' && code < 100000000; found++) code = code * 10 + (*found - '0');
  return code;
}

/* The first of error_codes at body, else the one in the description; 0 for none. */
static lua_Integer first_code(lua_State *L, int body, const char *description) {
  lua_Integer code = 0;
  lua_getfield(L, body, "error_codes");
  if (lua_istable(L, -1)) {
    lua_rawgeti(L, -1, 1);
    code = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  return code > 0 ? code : code_in(description);
}

/* Push the description without the ids Entra appends to it. [-0, +1, m] */
static void push_description(lua_State *L, const char *description, const char *error) {
  const char *ids = description ? strstr(description, " Trace ID:") : NULL;
  if (!description)
    lua_pushstring(L, error);
  else
    lua_pushlstring(L, description, ids ? (size_t)(ids - description) : strlen(description));
}

/* Push nil and the failure that the JSON object at body says. [-0, +n, m] */
static int push_error_body(lua_State *L, const struct answer *answer, int body) {
  const char *error = wire_string(L, body, "error");
  const char *description = wire_string(L, body, "error_description");
  const char *suberror = wire_string(L, body, "suberror");
  const char *trace = wire_string(L, body, "trace_id");
  lua_Integer code = first_code(L, body, description);
  if (!error) return push_fault(L, answer, "http", "the login service refused without saying why");
  push_description(L, description, error);
  push_fault(L, answer, error, lua_tostring(L, -1));
  wire_set_line(L, "suberror", suberror);
  wire_set_line(L, "trace_id", trace);
  if (!code) return 2;
  lua_pushinteger(L, code);
  lua_setfield(L, -2, "code");
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
  int is_digits = text && *text && strlen(text) < 10 && text[strspn(text, "0123456789")] == 0;
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

/* What is wrong with the token answer at body, or NULL. Leaves nothing on the stack. */
static const char *token_fault(lua_State *L, int body) {
  const char *type = wire_string(L, body, "token_type");
  const char *fault = NULL;
  if (!type || strcasecmp(type, "Bearer") != 0)
    fault = "token_type is not Bearer";
  else if (!secret_member(L, body, "access_token"))
    fault = "access_token is missing, no text, or holds characters that no header may carry";
  else if (!seconds_member(L, body, "expires_in", MAX_LIFETIME))
    fault = "expires_in is no whole number of seconds between 1 and 604800";
  else if (lua_getfield(L, body, "refresh_token") != LUA_TNIL && !secret_member(L, body, "refresh_token"))
    fault = "refresh_token is no text";
  lua_settop(L, body);
  return fault;
}

static int sextet(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-' || c == '_') return c == '-' ? 62 : 63;
  return -1;
}

/* Push the bytes of unpadded base64url, or nil. [-0, +1, m] */
static void push_unbase64url(lua_State *L, const char *text, size_t length) {
  luaL_Buffer out;
  unsigned bits = 0, value = 0;
  luaL_buffinit(L, &out);
  for (size_t i = 0; i < length; i++) {
    int six = sextet(text[i]);
    if (six < 0) break;
    value = (value << 6 | (unsigned)six) & 0xFFFF;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    luaL_addchar(&out, (char)(value >> bits & 0xFF));
  }
  luaL_pushresult(&out);
}

/* Push the payload of a JWT as a table; an empty one when it is no JWT: it is
 * only read for diagnostics, nothing is believed because of it. [-0, +1, m] */
static void push_claims(lua_State *L, const struct secret *token) {
  const char *payload = memchr(token->bytes, '.', token->length);
  const char *end = payload ? strchr(++payload, '.') : NULL;
  int top = lua_gettop(L);
  if (end) {
    size_t length;
    push_unbase64url(L, payload, (size_t)(end - payload));
    const char *text = lua_tolstring(L, -1, &length);
    json_decode(L, text, length, NULL);
  }
  if (!end || !lua_istable(L, -1)) lua_newtable(L);
  lua_insert(L, top + 1);
  lua_settop(L, top + 1);
}

/* Push the token table for the answer at body. The secret stays anchored in
 * the credential, so that redaction knows the token while it may be used. [-0, +1, e] */
static void push_token(lua_State *L, int body, const char *origin) {
  lua_newtable(L);
  int token = lua_gettop(L);
  const struct secret *secret = secret_member(L, body, "access_token");
  credential_new(L, origin, "Authorization", "Bearer ", secret->bytes, secret->length);
  lua_pushvalue(L, -2);
  lua_setiuservalue(L, -2, 1);
  lua_setfield(L, token, "credential");
  push_claims(L, secret);
  lua_setfield(L, token, "claims");
  lua_getfield(L, body, "refresh_token");
  lua_setfield(L, token, "refresh_token");
  wire_string(L, body, "scope");
  lua_setfield(L, token, "scope");
  lua_pushinteger(L, seconds_member(L, body, "expires_in", MAX_LIFETIME));
  lua_setfield(L, token, "expires_in");
  lua_settop(L, token);
}

/* oauth.judge_token(answer, resource) -> token | nil, failure */
static int oauth_judge_token(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  const char *resource = luaL_checkstring(L, 2);
  lua_settop(L, 2);
  if (!request_origin(L, resource)) return luaL_argerror(L, 2, lua_tostring(L, -1));
  const char *origin = lua_tostring(L, 3);
  int failed = push_object(L, answer);
  if (failed) return failed;
  const char *fault = token_fault(L, 4);
  if (fault) return push_shape_fault(L, answer, fault);
  push_token(L, 4, origin);
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
  if (!copy_line(L, body, "message")) return "message is missing or no text";
  return expires_in ? NULL : "expires_in is no whole number of seconds between 1 and 604800";
}

/* oauth.judge_device_code(answer) -> table | nil, failure */
static int oauth_judge_device_code(lua_State *L) {
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

/* What is wrong with the endpoints, or NULL. An endpoint elsewhere would be
 * handed the client secret; those we never use may stand where they like. */
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

static int is_guid(const char *text, size_t length) {
  static const char shape[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
  if (length != sizeof shape - 1) return 0;
  for (size_t i = 0; i < length; i++) {
    int is_right = shape[i] == '-' ? text[i] == '-' : strchr("0123456789abcdefABCDEF", text[i]) != NULL;
    if (!is_right) return 0;
  }
  return 1;
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
static int oauth_judge_discovery(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  const char *authority = check_authority(L, 2);
  lua_settop(L, 2);
  if (!request_origin(L, authority)) return luaL_argerror(L, 2, lua_tostring(L, -1));
  const char *origin = lua_tostring(L, 3);
  int failed = push_object(L, answer);
  if (failed) return failed;
  const char *fault = endpoint_fault(L, 4, origin);
  return fault ? push_shape_fault(L, answer, fault) : push_tenant(L, answer, 4, authority);
}

static const luaL_Reg functions[] = {
    {"client_secret", oauth_client_secret},
    {"device_code", oauth_device_code},
    {"device_token", oauth_device_token},
    {"discovery", oauth_discovery},
    {"judge_device_code", oauth_judge_device_code},
    {"judge_discovery", oauth_judge_discovery},
    {"judge_token", oauth_judge_token},
    {"refresh", oauth_refresh},
    {NULL, NULL},
};

int luaopen_host_oauth(lua_State *L);
int luaopen_host_oauth(lua_State *L) {
  request_types(L);
  luaL_newlib(L, functions);
  return 1;
}
