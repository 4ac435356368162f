/* host.peer: build requests to the services that a profile names as peers, and judge their answers: JSON over HTTPS,
 * with the forms of errors that such services use.
 *
 * A peer's credential becomes bytes only in a credential for the peer's origin, in a signature, or in the address of a
 * request. Sources of the forms of errors: Microsoft REST API Guidelines ("error"), Google API design guide ("error"),
 * HashiCorp Vault API ("errors"), Kubernetes API conventions (Status), RFC 9457 ("title" and "detail").
 */
#include "base64.h"
#include "json.h"
#include "secret_name.h"
#include "wire.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <strings.h>

enum { MOST_TEXT = 64 << 10 }; /* bytes of an answer that is not JSON */

/* ---- requests ---- */

static const char *check_peer_name(lua_State *L, int index) {
  const char *name = lib_checktext(L, index);
  luaL_argcheck(L, !request_peer_is_own(name), index, "a peer of the profile is expected");
  return name;
}

static const char *check_peer_method(lua_State *L, int index) {
  static const char *const methods[] = {"GET", "POST", "PATCH", "PUT", "DELETE", NULL};
  return methods[luaL_checkoption(L, index, NULL, methods)];
}

/* Add the headers of the table at index, except the type of the content. [-0, +0, e] */
static void add_peer_headers(lua_State *L, struct request *request, int index) {
  if (!lua_istable(L, index)) return;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING, index, "the name of a header is a string");
    const char *name = lua_tostring(L, -2);
    luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, index, "the value of a header is a string");
    if (strcasecmp(name, "content-type") != 0) request_add_header(L, request, name, lib_checktext(L, -1));
    lua_pop(L, 1);
  }
}

/* Return the type of the content in the table of headers at index, or NULL. [-0, +0, -] */
static const char *content_type_of_headers(lua_State *L, int index) {
  const char *type = NULL;
  if (!lua_istable(L, index)) return NULL;
  lua_pushnil(L);
  while (lua_next(L, index)) {
    int is_type = lua_type(L, -2) == LUA_TSTRING && strcasecmp(lua_tostring(L, -2), "content-type") == 0;
    if (is_type && lua_type(L, -1) == LUA_TSTRING) type = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  return type;
}

/* Set the body at index, a table (JSON) or a text, of the request on top of the stack; headers: their index. [-0, +0,
 * e] */
static void set_peer_body(lua_State *L, struct request *request, int index, int headers) {
  size_t length;
  const char *type = content_type_of_headers(L, headers);
  if (lua_istable(L, index)) request_set_json_body(L, lua_gettop(L), index, type);
  if (lua_type(L, index) != LUA_TSTRING) return;
  const char *text = lua_tolstring(L, index, &length);
  buffer_add(L, &request->body, text, length);
  request->has_body = 1;
  request_add_header(L, request, "Content-Type", type ? type : "text/plain; charset=utf-8");
}

/* Fill the request on top of the stack: call, headers, body and traits. body and headers are indexes. [-0, +0, e] */
static void fill_peer_request(lua_State *L, struct request *request, const char *path, int body, int headers) {
  int request_index = lua_gettop(L);
  request_add_header(L, request, "Accept", "application/json");
  add_peer_headers(L, request, headers);
  wire_push_members(L, body);
  request_add_call(L, request, request->method, path, lua_tostring(L, -1));
  lua_settop(L, request_index);
  set_peer_body(L, request, body, headers);
  request->changes = strcmp(request->method, "GET") != 0;
  request->repeatable = strcmp(request->method, "POST") != 0 && strcmp(request->method, "PATCH") != 0;
}

static void check_peer_body(lua_State *L, int body, int headers) {
  int type = lua_type(L, body);
  luaL_argcheck(L, type <= LUA_TNIL || type == LUA_TTABLE || type == LUA_TSTRING, body, "a table or a string expected");
  if (!lua_isnoneornil(L, headers)) luaL_checktype(L, headers, LUA_TTABLE);
}

/* peer.request(name, base, method, path, query?, body?, headers?) -> request. The path "/" is the base itself. */
static int peer_request(lua_State *L) {
  size_t length;
  const char *name = check_peer_name(L, 1), *base = lib_checktext(L, 2), *method = check_peer_method(L, 3);
  const char *path = luaL_checklstring(L, 4, &length);
  int is_base = length == 1 && *path == '/';
  const char *problem = is_base ? NULL : wire_path_problem(path, length);
  luaL_argcheck(L, !problem, 4, problem);
  if (!lua_isnoneornil(L, 5)) luaL_checktype(L, 5, LUA_TTABLE);
  check_peer_body(L, 6, 7);
  lua_settop(L, 7);
  struct buffer *url = buffer_borrow(L);
  buffer_add(L, url, base, strlen(base));
  buffer_add(L, url, path, is_base ? 0 : length);
  wire_append_query(L, 5, url);
  buffer_add(L, url, "", 1);
  struct request *request = request_new(L, name, method, url->data);
  buffer_give_back(L, 8);
  fill_peer_request(L, request, path, 6, 7);
  return 1;
}

/* peer.request_at(name, address, method, body?, headers?) -> request. The address is a secret. */
static int peer_request_at(lua_State *L) {
  const char *name = check_peer_name(L, 1);
  const struct secret *address = secret_check(L, 2);
  const char *method = check_peer_method(L, 3);
  check_peer_body(L, 4, 5);
  lua_settop(L, 5);
  if (strlen(address->bytes) != address->length || !request_url_push_peer_origin(L, name, address->bytes))
    return luaL_argerror(L, 2, "the secret is not a URL");
  fill_peer_request(L, request_new(L, name, method, address->bytes), "/", 4, 5);
  return 1;
}

/* peer.segment(value) -> string */
static int peer_segment(lua_State *L) {
  return wire_push_segment(L, "");
}

/* peer.origin(address) -> scheme://host:port | nil, message. The address is a secret. */
static int peer_origin(lua_State *L) {
  const struct secret *address = secret_check(L, 1);
  lua_settop(L, 1);
  if (strlen(address->bytes) != address->length || !request_url_push_origin(L, address->bytes))
    return lib_fail(L, "the secret is not a URL of the form https://HOST/PATH");
  return 1;
}

/* ---- credentials ---- */

/* peer.credential(base, header, prefix, secret) -> credential */
static int peer_credential(lua_State *L) {
  const char *base = lib_checktext(L, 1), *header = lib_checktext(L, 2), *prefix = lib_checktext(L, 3);
  const struct secret *secret = secret_check(L, 4);
  lua_settop(L, 4);
  if (!request_url_push_origin(L, base)) return luaL_argerror(L, 1, lua_tostring(L, 6));
  credential_new(L, lua_tostring(L, 5), header, prefix, secret->bytes, secret->length);
  /* A copy: the caller closes the secret, and redaction has to mask it as long as the credential exists. */
  secret_new(L, SECRET_CREDENTIAL, secret->bytes, secret->length);
  lua_setiuservalue(L, -2, 1);
  return 1;
}

/* Push the key of a webhook's secret: the bytes after "whsec_" in base64, else the secret's own bytes. Returns the
 * key, or NULL when the base64 is invalid. [-0, +1, e] */
static const struct secret *push_webhook_key(lua_State *L, const struct secret *secret) {
  static const char mark[] = "whsec_";
  size_t skipped = sizeof mark - 1;
  if (secret->length < skipped || memcmp(secret->bytes, mark, skipped) != 0)
    return secret_new(L, SECRET_CREDENTIAL, secret->bytes, secret->length);
  struct secret *key = secret_reserve(L, SECRET_CREDENTIAL, secret->length);
  key->length = base64_decode(secret->bytes + skipped, secret->length - skipped, key->bytes);
  if (key->length == SIZE_MAX) return NULL;
  secret_register(L);
  return key;
}

/* peer.sign(request, secret, id, timestamp): add the headers of Standard Webhooks (standardwebhooks.com, "Signature
 * scheme"): the HMAC-SHA-256 of "id.timestamp.body". */
static int peer_sign(lua_State *L) {
  struct request *request = request_check(L, 1);
  const struct secret *secret = secret_check(L, 2);
  const char *id = lib_checktext(L, 3);
  lua_Integer timestamp = luaL_checkinteger(L, 4);
  unsigned char digest[32];
  luaL_argcheck(L, !strchr(id, '.'), 3, "an id without '.' expected");
  const struct secret *key = push_webhook_key(L, secret);
  if (!key) return lib_fail(L, "the secret of a webhook is \"whsec_\" and base64");
  const char *moment = lua_pushfstring(L, "%I", timestamp);
  struct buffer *signed_text = buffer_new(L);
  const char *head = lua_pushfstring(L, "%s.%s.", id, moment);
  buffer_add(L, signed_text, head, strlen(head));
  buffer_add(L, signed_text, request->body.length ? request->body.data : "", request->body.length);
  if (!HMAC(EVP_sha256(), key->bytes, (int)key->length, (const unsigned char *)signed_text->data, signed_text->length,
            digest, NULL))
    return luaL_error(L, "OpenSSL could not compute an HMAC");
  buffer_free(signed_text);
  struct buffer *signature = buffer_new(L);
  if (!buffer_append_string(signature, "v1,") || !base64_append(signature, digest, sizeof digest) ||
      !buffer_append(signature, "", 1))
    return lib_no_memory(L);
  request_add_header(L, request, "webhook-id", id);
  request_add_header(L, request, "webhook-timestamp", moment);
  request_add_header(L, request, "webhook-signature", signature->data);
  buffer_free(signature);
  lua_pushboolean(L, 1);
  return 1;
}

/* ---- answers ---- */

static int is_peer_success(const struct answer *answer) {
  return answer->status >= 200 && answer->status < 300;
}

/* Is the body meant to be JSON, by its Content-Type or its first character? */
static int is_json_answer(const struct answer *answer) {
  const char *type = answer_header(answer, "content-type");
  size_t i = 0;
  if (type && (strcasestr(type, "/json") || strcasestr(type, "+json"))) return 1;
  while (i < answer->body.length && strchr(" \t\r\n", answer->body.data[i])) i++;
  return i < answer->body.length && (answer->body.data[i] == '{' || answer->body.data[i] == '[');
}

/* Decode the JSON body of the answer to the request at index 1: push the value and return 1, or push a message and
 * return 0. Texts that hold a secret of this call, or any other living secret, are masked. [-0, +1, e] */
static int push_peer_json(lua_State *L, const struct answer *answer) {
  const struct request *request = request_check(L, 1);
  int top = lua_gettop(L);
  if (!request_push_sent_secrets(L, 1)) {
    lua_settop(L, top);
    lua_newtable(L);
  }
  /* an error answer has words for people, and no object of the service */
  const char *places = is_peer_success(answer) ? request->answers : NULL;
  const struct json_rules rules = {.uses = NAMED_IN_ENTRY, .places = places, .sent = top + 1};
  int ok = json_decode(L, answer->body.data, answer->body.length, &rules);
  lua_remove(L, top + 1);
  return ok;
}

/* Push the first member of the table at index that is a text, among these names; returns the text, or NULL with nil
 * pushed. [-0, +1, -] */
static const char *push_first_text(lua_State *L, int index, const char *const *names) {
  for (; lua_istable(L, index) && *names; names++) {
    const char *text = wire_push_string(L, index, *names);
    if (text && *text) return text;
    lua_pop(L, 1);
  }
  lua_pushnil(L);
  return NULL;
}

/* Push the part of an error's body that describes the error: its member "error", the first of its "errors", or the
 * body itself. [-0, +1, -] */
static void push_error_part(lua_State *L, int body) {
  lua_pushvalue(L, body);
  int part = lua_gettop(L);
  if (!lua_istable(L, body)) return;
  if (lua_getfield(L, body, "error") == LUA_TTABLE) lua_copy(L, -1, part);
  if (lua_getfield(L, body, "errors") == LUA_TTABLE && lua_rawgeti(L, -1, 1) != LUA_TNIL) lua_copy(L, -1, part);
  lua_settop(L, part);
}

/* Set message, code and inner_code of the failure at index from the body of the answer. [-0, +0, m] */
static void describe_peer_error(lua_State *L, int failure, int body) {
  static const char *const messages[] = {"message", "Message", "detail", "title", "error_description", "error", NULL};
  static const char *const codes[] = {"code", "reason", "status", "__type", "error", NULL};
  static const char *const inner_codes[] = {"code", NULL};
  push_error_part(L, body);
  int part = lua_gettop(L);
  const char *text = lua_type(L, part) == LUA_TSTRING ? lua_tostring(L, part) : push_first_text(L, part, messages);
  const char *code = push_first_text(L, part, codes);
  int inner = lua_istable(L, part) && lua_getfield(L, part, "innererror") == LUA_TTABLE ? lua_gettop(L) : part;
  const char *inner_code = inner > part ? push_first_text(L, inner, inner_codes) : NULL;
  lua_pushvalue(L, failure);
  wire_set_line(L, "message", text);
  wire_set_line(L, "code", code);
  wire_set_line(L, "inner_code", inner_code);
  lua_settop(L, part - 1);
}

/* Push nil and the failure of an answer whose status is not 2xx. [-0, +2, m] */
static int push_peer_status_failure(lua_State *L, const struct answer *answer) {
  int top = lua_gettop(L);
  if (answer->status < 400)
    return wire_push_failure(L, answer, "bad_answer", "the service sent a redirect; redirects are never followed");
  if (answer->body.length && is_json_answer(answer) && push_peer_json(L, answer)) {
    wire_push_failure(L, answer, wire_status_kind(answer->status), "the answer gives no reason");
    describe_peer_error(L, top + 3, top + 1);
    return 2;
  }
  lua_settop(L, top);
  if (!answer->body.length || wire_is_html(answer))
    return wire_push_failure(L, answer, wire_status_kind(answer->status),
                             answer->body.length ? "the answer is an HTML page" : "the answer is empty");
  lua_pushlstring(L, answer->body.data, answer->body.length < 500 ? answer->body.length : 500);
  return wire_push_failure(L, answer, wire_status_kind(answer->status), lua_tostring(L, -1));
}

/* Push the body of an answer: JSON, a text with secrets masked, a secret when the whole answer is one, or nil when it
 * is empty; and return 1. Or push nil and a failure, and return 0. [-0, +1|+2, e] */
static int push_peer_body(lua_State *L, const struct answer *answer) {
  if (!answer->body.length) {
    lua_pushnil(L);
    return 1;
  }
  if (is_json_answer(answer)) {
    if (push_peer_json(L, answer)) return 1;
    const char *why = lua_tostring(L, -1);
    wire_push_failure(L, answer, "bad_answer", lua_pushfstring(L, "the answer cannot be read: %s", why));
    return 0;
  }
  const char *problem = wire_is_html(answer)              ? "the answer is an HTML page"
                        : answer->body.length > MOST_TEXT ? "the answer is a text of more than 64 KiB"
                                                          : NULL;
  if (problem) {
    wire_push_failure(L, answer, "bad_answer", problem);
    return 0;
  }
  const char *places = request_check(L, 1)->answers;
  if (places && strstr(places, "**"))
    secret_new(L, SECRET_VALUE, answer->body.data, answer->body.length);
  else
    secret_redact(L, answer->body.data, answer->body.length);
  return 1;
}

/* Push the headers of an answer that a script may need, with secrets masked. [-0, +1, m] */
static void push_peer_headers(lua_State *L, const struct answer *answer) {
  static const char *const names[] = {"content-type", "date", "etag", "link", "location", "www-authenticate", NULL};
  lua_newtable(L);
  for (const char *const *name = names; *name; name++) wire_set_line(L, *name, answer_header(answer, *name));
}

/* peer.judge(request, answer) -> { status, body, headers } | nil, failure */
static int peer_judge(lua_State *L) {
  request_check(L, 1);
  const struct answer *answer = answer_check(L, 2);
  lua_settop(L, 2);
  if (!is_peer_success(answer)) return push_peer_status_failure(L, answer);
  lua_createtable(L, 0, 3);
  if (!push_peer_body(L, answer)) return 2;
  lua_setfield(L, 3, "body");
  lua_pushinteger(L, answer->status);
  lua_setfield(L, 3, "status");
  push_peer_headers(L, answer);
  lua_setfield(L, 3, "headers");
  return 1;
}

static const luaL_Reg functions[] = {
    {"credential", peer_credential}, {"judge", peer_judge},     {"origin", peer_origin}, {"request", peer_request},
    {"request_at", peer_request_at}, {"segment", peer_segment}, {"sign", peer_sign},     {NULL, NULL},
};

int luaopen_host_peer(lua_State *L);
int luaopen_host_peer(lua_State *L) {
  request_types(L);
  luaL_newlib(L, functions);
  return 1;
}
