/* host.request: a value that protocol modules fill and the gate sends; see request.h.
 *
 * Ownership: the userdata owns all memory that its fields point to; closing it wipes and frees the memory.
 */
#include "request.h"

#include "json.h"
#include "secret_name.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Headers that a request may not set: libcurl sets framing and routing, the gate sets credentials. By those
 * that begin with X-, frameworks (Rails, Symfony, ASP.NET, IIS) take another method or path than the request line's,
 * which the gate has compared with the declared calls. */
static const char *const reserved_headers[] = {"Authorization",
                                               "tokenId",
                                               "Cookie",
                                               "Host",
                                               "Content-Length",
                                               "Transfer-Encoding",
                                               "TE",
                                               "Trailer",
                                               "Connection",
                                               "Upgrade",
                                               "Proxy-Authorization",
                                               "Expect",
                                               "X-HTTP-Method-Override",
                                               "X-HTTP-Method",
                                               "X-Method-Override",
                                               "X-Original-URL",
                                               "X-Rewrite-URL",
                                               NULL};

int request_is_token(const char *text) {
  if (!*text) return 0;
  for (; *text; text++)
    if (!isalnum((unsigned char)*text) && !strchr("!#$%&'*+-.^_`|~", *text)) return 0;
  return 1;
}

/* Only printable ASCII and spaces: no character that ends a header line or is invisible in it. */
int request_is_header_text(const char *text, size_t length) {
  for (size_t i = 0; i < length; i++)
    if (text[i] < ' ' || text[i] > '~') return 0;
  return 1;
}

int request_peer_is_own(const char *name) {
  static const char *const names[] = {"login", "graph", "devolutions", "identity", NULL};
  for (const char *const *own = names; *own; own++)
    if (strcmp(*own, name) == 0) return 1;
  return 0;
}

static void wipe_and_free_text(char **text) {
  if (*text) explicit_bzero(*text, strlen(*text));
  free(*text);
  *text = NULL;
}

/* ---- requests ---- */

struct request *request_check(lua_State *L, int index) {
  struct request *request = lib_check(L, index, REQUEST);
  luaL_argcheck(L, request->method, index, "request is closed");
  return request;
}

static void free_request_calls(struct request *request) {
  for (size_t i = 0; i < request->call_count; i++) {
    free(request->calls[i].method);
    wipe_and_free_text(&request->calls[i].path);
    free(request->calls[i].members);
    buffer_free(&request->calls[i].secrets);
  }
  free(request->calls);
  request->calls = NULL;
  request->call_count = 0;
}

/* request:close() for C only: __close and __gc. Idempotent. */
static int request_close(lua_State *L) {
  struct request *request = lib_check(L, 1, REQUEST);
  free_request_calls(request);
  request_url_release(request->target);
  buffer_free(&request->headers);
  buffer_free(&request->body);
  wipe_and_free_text(&request->url);
  free(request->origin);
  free(request->method);
  free(request->answers);
  *request = (struct request){0};
  return 0;
}

struct request *request_new(lua_State *L, const char *peer, const char *method, const char *url) {
  if (!request_is_token(method)) luaL_error(L, "cannot build a request: '%s' is not an HTTP method", method);
  if (strlen(peer) >= PEER_NAME_SIZE) luaL_error(L, "cannot build a request: the name of the peer is too long");
  struct request *request = lib_new(L, sizeof *request, REQUEST);
  memcpy(request->peer, peer, strlen(peer) + 1);
  request->url = lib_copy(L, url);
  request->target = request_url_new_target();
  const char *why = request_url_parse(L, request->target, peer, request->url, &request->origin);
  if (why) luaL_error(L, "cannot build a request to %s: %s", url, why);
  request->method = lib_copy(L, method);
  return request;
}

/* Append one header to a shared buffer, without printf: a request and its answer have half a dozen headers each. */
static int append_request_header(struct buffer *headers, const char *name, const char *separator, const char *value) {
  return buffer_append_string(headers, name) && buffer_append_string(headers, separator) &&
         buffer_append(headers, value, strlen(value) + 1);
}

static int is_reserved_header(const char *name) {
  for (const char *const *header = reserved_headers; *header; header++)
    if (((**header ^ *name) | ' ') == ' ' && strcasecmp(*header, name) == 0)
      return 1; /* the cases of a letter differ by ' ' only */
  return 0;
}

void request_add_header(lua_State *L, struct request *request, const char *name, const char *value) {
  if (!request_is_token(name)) luaL_error(L, "cannot set header '%s': not a header name", name);
  if (is_reserved_header(name)) luaL_error(L, "cannot set header '%s': it is not the request's to set", name);
  if (!request_is_header_text(value, strlen(value)))
    luaL_error(L, "cannot set header '%s': its value has a line break, a control character or one beyond ASCII", name);
  /* "Name;" is libcurl's form of an empty value */
  if (!append_request_header(&request->headers, name, *value ? ": " : ";", value)) lib_no_memory(L);
}

const char *request_find_header(const struct request *request, const char *name) {
  size_t length = strlen(name);
  for (const char *line = buffer_next_text(&request->headers, NULL); line;
       line = buffer_next_text(&request->headers, line))
    if (strncasecmp(line, name, length) == 0 && line[length] == ':') return line + length + 2;
  return NULL;
}

void request_add_call(lua_State *L, struct request *request, const char *method, const char *path,
                      const char *members) {
  struct call *calls = reallocarray(request->calls, request->call_count + 1, sizeof *calls);
  if (!calls) lib_no_memory(L);
  request->calls = calls;
  struct call *call = &calls[request->call_count++];
  *call = (struct call){0};
  call->method = lib_copy(L, method);
  call->path = lib_copy(L, path);
  if (members) call->members = lib_copy(L, members);
}

/* Return the inner call of a $batch that a path "requests[3].body.x" leads to, and change *path to the path within
 * its body. A secret outside the inner bodies belongs to the first call, with its whole path, where no rule declares
 * it. */
static struct call *find_inner_call(struct request *request, const char **path) {
  char *rest;
  if (strncmp(*path, "requests[", 9) != 0) return request->calls;
  unsigned long number = strtoul(*path + 9, &rest, 10);
  if (number < 1 || number > request->call_count || strncmp(rest, "].body.", 7) != 0) return request->calls;
  *path = rest + 7;
  return &request->calls[number - 1];
}

/* Give each call the places of its own secrets; the first call also gets those outside the inner bodies. */
static int distribute_secret_places(struct request *request, const struct buffer *places) {
  int ok = 1;
  for (const char *place = buffer_next_text(places, NULL); place && ok; place = buffer_next_text(places, place)) {
    const char *path = place + 1;
    struct call *call = request->is_batch ? find_inner_call(request, &path) : request->calls;
    ok = buffer_append(&call->secrets, place, 1) && buffer_append(&call->secrets, path, strlen(path) + 1);
  }
  return ok;
}

void request_set_json_body(lua_State *L, int index, int body, const char *type) {
  struct request *request = request_check(L, index);
  index = lua_absindex(L, index);
  body = lua_absindex(L, body);
  struct buffer *places = buffer_borrow(L);
  int top = lua_gettop(L);
  lua_newtable(L);
  json_encode_body(L, body, &request->body, places, top + 1);
  request->has_body = 1;
  request_add_header(L, request, "Content-Type", type ? type : "application/json");
  if (places->length) {
    if (!distribute_secret_places(request, places)) lib_no_memory(L);
    lua_setiuservalue(L, index, 1);
  }
  lua_settop(L, top);
  buffer_give_back(L, top);
  lua_settop(L, top - 1);
}

int request_push_sent_secrets(lua_State *L, int index) {
  return lua_getiuservalue(L, index, 1) == LUA_TTABLE ? lua_gettop(L) : 0;
}

static int request_method(lua_State *L) {
  lua_pushstring(L, request_check(L, 1)->method);
  return 1;
}

/* request:url() -> text, redacted */
static int request_url(lua_State *L) {
  const struct request *request = request_check(L, 1);
  secret_redact(L, request->url, strlen(request->url));
  return 1;
}

static int request_peer(lua_State *L) {
  lua_pushstring(L, request_check(L, 1)->peer);
  return 1;
}

static int request_changes(lua_State *L) {
  lua_pushboolean(L, request_check(L, 1)->changes);
  return 1;
}

static int request_repeatable(lua_State *L) {
  lua_pushboolean(L, request_check(L, 1)->repeatable);
  return 1;
}

/* request:traits() -> changes, repeatable */
static int request_traits(lua_State *L) {
  const struct request *request = request_check(L, 1);
  lua_pushboolean(L, request->changes);
  lua_pushboolean(L, request->repeatable);
  return 2;
}

static int request_set_repeatable(lua_State *L) {
  struct request *request = request_check(L, 1);
  luaL_checktype(L, 2, LUA_TBOOLEAN);
  request->repeatable = lua_toboolean(L, 2);
  return 0;
}

static int request_set_fresh(lua_State *L) {
  request_check(L, 1)->fresh = 1;
  return 0;
}

static int append_masked_form_field(struct buffer *out, const char *field, const char *end) {
  const char *equals = memchr(field, '=', (size_t)(end - field));
  size_t name = (size_t)((equals ? equals : end) - field);
  if (!secret_name_find(field, name, MASKED_IN_FORM)) return buffer_append(out, field, (size_t)(end - field));
  return buffer_append(out, field, name) && buffer_append_string(out, "=[secret]");
}

/* Append the form with the values of secret fields masked. [-0, +0, e] */
static void mask_request_form(lua_State *L, const struct buffer *body, struct buffer *out) {
  const char *end = body->data + body->length;
  for (const char *field = body->data; field < end;) {
    const char *stop = memchr(field, '&', (size_t)(end - field));
    int ok = append_masked_form_field(out, field, stop ? stop : end) && buffer_append(out, "&", stop != NULL);
    if (!ok) lib_no_memory(L);
    field = stop ? stop + 1 : end;
  }
}

/* request:body() -> text with secrets masked | nil. Secrets are masked by value and by name, because the value of a
 * closed secret is unknown. */
static int request_body(lua_State *L) {
  const struct request *request = request_check(L, 1);
  if (!request->has_body) return 0;
  struct buffer *text = buffer_new(L);
  const struct json_rules rules = {.uses = NAMED_IN_ENTRY};
  if (json_decode(L, request->body.data, request->body.length, &rules))
    json_encode(L, -1, text, 0);
  else
    mask_request_form(L, &request->body, text);
  secret_redact(L, text->length ? text->data : "", text->length);
  buffer_free(text);
  return 1;
}

void request_types(lua_State *L) {
  static const luaL_Reg request[] = {{"method", request_method},
                                     {"url", request_url},
                                     {"peer", request_peer},
                                     {"changes", request_changes},
                                     {"repeatable", request_repeatable},
                                     {"traits", request_traits},
                                     {"set_repeatable", request_set_repeatable},
                                     {"set_fresh", request_set_fresh},
                                     {"body", request_body},
                                     {NULL, NULL}};
  request_url_types(L);
  lib_type(L, REQUEST, request, request_close);
  answer_type(L);
  credential_type(L);
}
