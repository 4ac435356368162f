/* host.oauth: build requests of the Microsoft identity platform: for the token, device code and discovery endpoints,
 * and for managed identities. oauth_judge.c judges the answers.
 *
 * Nothing here knows about sending, waiting or whose sign-in it is. Secrets go straight into the request's body,
 * which is wiped. An access token leaves only in a credential for the resource's origin.
 * Source: Microsoft Learn, "OAuth 2.0 and OpenID Connect protocols".
 */
#include "oauth_internal.h"

#include "base64.h"
#include "crypto.h"
#include "secret.h"
#include "wire.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define ASSERTION_JWT "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#define GRANT_DEVICE "urn:ietf:params:oauth:grant-type:device_code"

enum { VERIFIER_BYTES = 32, DIGEST_BYTES = 32 };

/* ---- requests ---- */

const char *oauth_check_authority(lua_State *L, int index) {
  const char *authority = lib_checktext(L, index);
  const char *path = wire_path_of(authority);
  const char *problem = wire_path_problem(path, strlen(path));
  if (!problem && strchr(path + 1, '/')) problem = "more than one segment";
  if (problem)
    luaL_argerror(L, index, lua_pushfstring(L, "an authority is https://host/tenant; its path has %s", problem));
  return authority;
}

/* Push a request for authority + suffix. No such request changes the directory, and each may be sent twice. [-0, +1,
 * e] */
static struct request *new_oauth_request(lua_State *L, const char *method, const char *authority, const char *suffix) {
  const char *url = lua_pushfstring(L, "%s%s", authority, suffix);
  struct request *request = request_new(L, "login", method, url);
  request_add_call(L, request, method, wire_path_of(url), NULL);
  request_add_header(L, request, "Accept", "application/json");
  request->repeatable = 1;
  lua_remove(L, -2);
  return request;
}

static struct request *new_oauth_form(lua_State *L, const char *authority, const char *suffix) {
  struct request *request = new_oauth_request(L, "POST", authority, suffix);
  request_add_header(L, request, "Content-Type", "application/x-www-form-urlencoded");
  request->has_body = 1;
  return request;
}

static void add_oauth_form_text(lua_State *L, struct request *request, const char *name, const char *value) {
  wire_append_form_field(L, &request->body, name, value, strlen(value));
}

static void add_oauth_form_secret(lua_State *L, struct request *request, const char *name, int index) {
  const struct secret *secret = secret_check(L, index);
  wire_append_form_field(L, &request->body, name, secret->bytes, secret->length);
}

/* Push a token request for this grant, with the members that all grants have. [-0, +1, e] */
static struct request *new_token_request(lua_State *L, const char *authority, const char *grant,
                                         const char *client_id) {
  struct request *request = new_oauth_form(L, authority, "/oauth2/v2.0/token");
  add_oauth_form_text(L, request, "grant_type", grant);
  add_oauth_form_text(L, request, "client_id", client_id);
  return request;
}

/* oauth.discovery(authority) -> request */
static int oauth_discovery(lua_State *L) {
  const char *authority = oauth_check_authority(L, 1);
  new_oauth_request(L, "GET", authority, "/v2.0/.well-known/openid-configuration");
  return 1;
}

/* oauth.device_code(authority, client_id, scope) -> request */
static int oauth_device_code(lua_State *L) {
  const char *authority = oauth_check_authority(L, 1);
  const char *client_id = lib_checktext(L, 2);
  const char *scope = lib_checktext(L, 3);
  struct request *request = new_oauth_form(L, authority, "/oauth2/v2.0/devicecode");
  add_oauth_form_text(L, request, "client_id", client_id);
  add_oauth_form_text(L, request, "scope", scope);
  return 1;
}

/* oauth.device_token(authority, client_id, device_code) -> request */
static int oauth_device_token(lua_State *L) {
  const char *authority = oauth_check_authority(L, 1);
  const char *client_id = lib_checktext(L, 2);
  secret_check(L, 3);
  struct request *request = new_token_request(L, authority, GRANT_DEVICE, client_id);
  add_oauth_form_secret(L, request, "device_code", 3);
  return 1;
}

/* oauth.client_secret(authority, client_id, client_secret or nil, scope) -> request */
static int oauth_client_secret(lua_State *L) {
  const char *authority = oauth_check_authority(L, 1);
  const char *client_id = lib_checktext(L, 2);
  int has_secret = !lua_isnil(L, 3);
  if (has_secret) secret_check(L, 3);
  const char *scope = lib_checktext(L, 4);
  struct request *request = new_token_request(L, authority, "client_credentials", client_id);
  add_oauth_form_text(L, request, "scope", scope);
  if (has_secret) add_oauth_form_secret(L, request, "client_secret", 3);
  return 1;
}

/* oauth.basic(authority, client_id, client_secret) -> credential. Both parts are form-encoded before base64 (RFC
 * 6749, 2.3.1). The encoded pair becomes a secret of its own, so that redaction masks it too. */
static int oauth_basic(lua_State *L) {
  const char *authority = oauth_check_authority(L, 1);
  const char *client_id = lib_checktext(L, 2);
  const struct secret *secret = secret_check(L, 3);
  lua_settop(L, 3);
  if (!request_url_push_origin(L, authority)) return luaL_argerror(L, 1, lua_tostring(L, -1));
  const char *origin = lua_tostring(L, 4);
  struct buffer *plain = buffer_new(L), *encoded = buffer_new(L);
  wire_escape(L, plain, client_id, strlen(client_id), "");
  buffer_add(L, plain, ":", 1);
  wire_escape(L, plain, secret->bytes, secret->length, "");
  if (!base64_append(encoded, plain->data, plain->length)) return lib_no_memory(L);
  buffer_free(plain);
  const struct secret *pair = secret_take(L, SECRET_CREDENTIAL, encoded);
  credential_new(L, origin, "Authorization", "Basic ", pair->bytes, pair->length);
  lua_insert(L, -2);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

/* oauth.client_assertion(authority, client_id, assertion, scope) -> request */
static int oauth_client_assertion(lua_State *L) {
  const char *authority = oauth_check_authority(L, 1);
  const char *client_id = lib_checktext(L, 2);
  secret_check(L, 3);
  const char *scope = lib_checktext(L, 4);
  struct request *request = new_token_request(L, authority, "client_credentials", client_id);
  add_oauth_form_text(L, request, "scope", scope);
  add_oauth_form_text(L, request, "client_assertion_type", ASSERTION_JWT);
  add_oauth_form_secret(L, request, "client_assertion", 3);
  return 1;
}

/* oauth.refresh(authority, client_id, refresh_token, scope) -> request */
static int oauth_refresh(lua_State *L) {
  const char *authority = oauth_check_authority(L, 1);
  const char *client_id = lib_checktext(L, 2);
  secret_check(L, 3);
  const char *scope = lib_checktext(L, 4);
  struct request *request = new_token_request(L, authority, "refresh_token", client_id);
  add_oauth_form_text(L, request, "scope", scope);
  add_oauth_form_secret(L, request, "refresh_token", 3);
  return 1;
}

/* ---- sign-in in a browser ---- */

/* oauth.pkce() -> verifier, challenge (RFC 7636, S256) */
static int oauth_pkce(lua_State *L) {
  unsigned char bytes[VERIFIER_BYTES], digest[DIGEST_BYTES];
  size_t size;
  struct buffer *verifier = buffer_new(L), *challenge = buffer_new(L);
  if (RAND_bytes(bytes, sizeof bytes) != 1)
    return luaL_error(L, "cannot draw a code verifier: the system's random source failed");
  int ok = base64_url_append(verifier, bytes, sizeof bytes) &&
           EVP_Q_digest(NULL, "SHA256", NULL, verifier->data, verifier->length, digest, &size) &&
           base64_url_append(challenge, digest, sizeof digest);
  explicit_bzero(bytes, sizeof bytes);
  if (!ok) return lib_no_memory(L);
  secret_take(L, SECRET_CREDENTIAL, verifier);
  lua_pushlstring(L, challenge->data, challenge->length);
  return 2;
}

static void add_authorize_query(lua_State *L, struct buffer *out, const char *name, const char *value) {
  if (value) wire_append_form_field(L, out, name, value, strlen(value));
}

/* oauth.authorize(authority, client_id, redirect_uri, scope, state, challenge, login_hint) -> URL of the page */
static int oauth_authorize(lua_State *L) {
  const char *authority = oauth_check_authority(L, 1);
  const char *client_id = lib_checktext(L, 2), *redirect = lib_checktext(L, 3);
  const char *scope = lib_checktext(L, 4), *state = lib_checktext(L, 5);
  const char *challenge = lib_checktext(L, 6), *hint = lib_opttext(L, 7);
  struct buffer *query = buffer_new(L);
  add_authorize_query(L, query, "client_id", client_id);
  add_authorize_query(L, query, "response_type", "code");
  add_authorize_query(L, query, "redirect_uri", redirect);
  add_authorize_query(L, query, "response_mode", "query");
  add_authorize_query(L, query, "scope", scope);
  add_authorize_query(L, query, "state", state);
  add_authorize_query(L, query, "code_challenge", challenge);
  add_authorize_query(L, query, "code_challenge_method", "S256");
  add_authorize_query(L, query, "login_hint", hint);
  buffer_add(L, query, "", 1);
  lua_pushfstring(L, "%s/oauth2/v2.0/authorize?%s", authority, query->data);
  return 1;
}

/* oauth.code(authority, client_id, code, redirect_uri, verifier, scope) -> request */
static int oauth_code(lua_State *L) {
  const char *authority = oauth_check_authority(L, 1);
  const char *client_id = lib_checktext(L, 2);
  secret_check(L, 3);
  const char *redirect = lib_checktext(L, 4);
  secret_check(L, 5);
  const char *scope = lib_checktext(L, 6);
  struct request *request = new_token_request(L, authority, "authorization_code", client_id);
  add_oauth_form_text(L, request, "redirect_uri", redirect);
  add_oauth_form_text(L, request, "scope", scope);
  add_oauth_form_secret(L, request, "code_verifier", 5);
  add_oauth_form_secret(L, request, "code", 3);
  request->repeatable = 0; /* a code that is used twice may revoke its tokens */
  return 1;
}

/* ---- managed identities ---- */

/* Push a GET request to endpoint with the query table at index 3, to which it adds version and resource. The endpoint
 * is the address of the peer "identity". [-0, +1, e] */
static struct request *new_identity_request(lua_State *L, const char *endpoint, const char *version) {
  const char *resource = lib_checktext(L, 2);
  luaL_checktype(L, 3, LUA_TTABLE);
  lua_settop(L, 3);
  lua_pushstring(L, version);
  lua_setfield(L, 3, "api-version");
  lua_pushstring(L, resource);
  lua_setfield(L, 3, "resource");
  struct buffer *url = buffer_new(L);
  buffer_add(L, url, endpoint, strlen(endpoint));
  wire_append_query(L, 3, url);
  buffer_add(L, url, "", 1);
  struct request *request = request_new(L, "identity", "GET", url->data);
  request_add_call(L, request, "GET", wire_path_of(endpoint), NULL);
  request_add_header(L, request, "Accept", "application/json");
  request->repeatable = 1;
  return request;
}

static const char *check_identity_endpoint(lua_State *L) {
  const char *endpoint = lib_checktext(L, 1);
  const char *path = wire_path_of(endpoint);
  const char *problem = wire_path_problem(path, strlen(path));
  if (problem) luaL_argerror(L, 1, lua_pushfstring(L, "an endpoint is http://host/path; its path has %s", problem));
  return endpoint;
}

/* oauth.machine(endpoint, resource, which) -> request. A server that is tricked into a request cannot set the header
 * Metadata, so the endpoint demands it. */
static int oauth_machine(lua_State *L) {
  struct request *request = new_identity_request(L, check_identity_endpoint(L), "2018-02-01");
  request_add_header(L, request, "Metadata", "true");
  return 1;
}

/* oauth.service(endpoint, resource, which) -> request */
static int oauth_service(lua_State *L) {
  new_identity_request(L, check_identity_endpoint(L), "2019-08-01");
  return 1;
}

/* oauth.service_credential(endpoint, header) -> credential */
static int oauth_service_credential(lua_State *L) {
  const char *endpoint = check_identity_endpoint(L);
  const struct secret *header = secret_check(L, 2);
  const char *origin = request_new(L, "identity", "GET", endpoint)->origin;
  credential_new(L, origin, "X-IDENTITY-HEADER", "", header->bytes, header->length);
  return 1;
}

static const luaL_Reg functions[] = {
    {"authorize", oauth_authorize},
    {"basic", oauth_basic},
    {"client_assertion", oauth_client_assertion},
    {"client_secret", oauth_client_secret},
    {"code", oauth_code},
    {"device_code", oauth_device_code},
    {"device_token", oauth_device_token},
    {"discovery", oauth_discovery},
    {"given", oauth_judge_given},
    {"expiry", oauth_judge_expiry},
    {"judge_device_code", oauth_judge_device_code},
    {"judge_discovery", oauth_judge_discovery},
    {"judge_identity", oauth_judge_identity},
    {"judge_token", oauth_judge_token},
    {"machine", oauth_machine},
    {"pkce", oauth_pkce},
    {"refresh", oauth_refresh},
    {"service", oauth_service},
    {"service_credential", oauth_service_credential},
    {NULL, NULL},
};

int luaopen_host_oauth(lua_State *L);
int luaopen_host_oauth(lua_State *L) {
  request_types(L);
  luaL_newlib(L, functions);
  return 1;
}
