/* host.httpd.request: a request that was received, as Lua reads it.
 *
 * Bodies that carry secrets are read by json() and form(), which turn the secret members into secrets.
 */
#include "hex.h"
#include "httpd_internal.h"

#include "json.h"
#include "secret_name.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BASIC 4096

/* Bytes that are owned by libevent or by the caller. */
struct span {
  const char *data;
  size_t length;
};

static const struct evhttp_uri *check_request_uri(lua_State *L) {
  return evhttp_request_get_evhttp_uri(httpd_exchange_check(L)->request);
}

static int httpd_request_listener(lua_State *L) {
  lua_pushinteger(L, httpd_exchange_check(L)->listener);
  return 1;
}

static int httpd_request_method(lua_State *L) {
  static const struct {
    enum evhttp_cmd_type type;
    const char *name;
  } methods[] = {
      {EVHTTP_REQ_GET, "GET"},     {EVHTTP_REQ_POST, "POST"},     {EVHTTP_REQ_PUT, "PUT"},
      {EVHTTP_REQ_PATCH, "PATCH"}, {EVHTTP_REQ_DELETE, "DELETE"}, {EVHTTP_REQ_OPTIONS, "OPTIONS"},
      {EVHTTP_REQ_HEAD, "HEAD"},
  };
  enum evhttp_cmd_type type = evhttp_request_get_command(httpd_exchange_check(L)->request);
  const char *name = "UNKNOWN";
  for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
    if (methods[i].type == type) name = methods[i].name;
  lua_pushstring(L, name);
  return 1;
}

static int httpd_request_path(lua_State *L) {
  const char *path = evhttp_uri_get_path(check_request_uri(L));
  lua_pushstring(L, path && *path ? path : "/");
  return 1;
}

static int httpd_request_query(lua_State *L) {
  const char *query = evhttp_uri_get_query(check_request_uri(L));
  lua_pushstring(L, query ? query : "");
  return 1;
}

static const char *find_received_header(struct exchange *exchange, const char *name) {
  return evhttp_find_header(evhttp_request_get_input_headers(exchange->request), name);
}

static int httpd_request_header(lua_State *L) {
  struct exchange *exchange = httpd_exchange_check(L);
  lua_pushstring(L, find_received_header(exchange, luaL_checkstring(L, 2)));
  return 1;
}

static struct span request_body_span(struct exchange *exchange) {
  struct evbuffer *body = evhttp_request_get_input_buffer(exchange->request);
  struct span text = {(const char *)evbuffer_pullup(body, -1), evbuffer_get_length(body)};
  if (!text.data) text = (struct span){"", 0};
  return text;
}

static int httpd_request_body(lua_State *L) {
  struct span text = request_body_span(httpd_exchange_check(L));
  lua_pushlstring(L, text.data, text.length);
  return 1;
}

static int httpd_request_size(lua_State *L) {
  struct evbuffer *body = evhttp_request_get_input_buffer(httpd_exchange_check(L)->request);
  lua_pushinteger(L, (lua_Integer)evbuffer_get_length(body));
  return 1;
}

/* request:json() -> value | nil, message */
static int httpd_request_json(lua_State *L) {
  struct span text = request_body_span(httpd_exchange_check(L));
  if (json_decode(L, text.data, text.length, NULL)) return 1;
  luaL_pushfail(L);
  lua_insert(L, -2);
  return 2;
}

/* Decode a form-encoded text into out; an invalid %XX stays as it is. */
static void decode_form_text(lua_State *L, struct buffer *out, struct span text) {
  out->length = 0;
  for (size_t i = 0; i < text.length; i++) {
    char byte = text.data[i] == '+' ? ' ' : text.data[i];
    int value = byte == '%' ? hex_value(text.data + i + 1, text.length - i - 1, 2) : -1;
    if (value >= 0) {
      byte = (char)value;
      i += 2;
    }
    buffer_add(L, out, &byte, 1);
  }
}

/* Cut the text before the first stop character off the front of rest, and the stop character too. */
static struct span cut_form_span(struct span *rest, char stop) {
  const char *end = rest->length ? memchr(rest->data, stop, rest->length) : NULL;
  struct span head = {rest->data, end ? (size_t)(end - rest->data) : rest->length};
  size_t cut_length = head.length + (end ? 1 : 0);
  rest->data += cut_length;
  rest->length -= cut_length;
  return head;
}

/* Set one field in the table below the buffer on top, as a secret where its name is in the table of secret names. */
static void set_form_field(lua_State *L, struct buffer *decoded, struct span field) {
  struct span name = cut_form_span(&field, '=');
  decode_form_text(L, decoded, name);
  lua_pushlstring(L, decoded->data ? decoded->data : "", decoded->length);
  const struct secret_name *secret = secret_name_find(lua_tostring(L, -1), lua_rawlen(L, -1), NAMED_IN_FORM);
  decode_form_text(L, decoded, field);
  if (secret)
    secret_new(L, secret->kind, decoded->data ? decoded->data : "", decoded->length);
  else
    lua_pushlstring(L, decoded->data ? decoded->data : "", decoded->length);
  lua_rawset(L, -4);
}

/* Push the fields of a form-encoded text as a table; the last of several fields of one name counts. [-0, +1, e] */
static void push_form_fields(lua_State *L, struct span text) {
  lua_newtable(L);
  struct buffer *decoded = buffer_new(L);
  while (text.length) {
    struct span field = cut_form_span(&text, '&');
    if (field.length) set_form_field(L, decoded, field);
  }
  buffer_free(decoded);
  lua_pop(L, 1);
}

static int httpd_request_form(lua_State *L) {
  push_form_fields(L, request_body_span(httpd_exchange_check(L)));
  return 1;
}

static int httpd_request_arguments(lua_State *L) {
  const char *query = evhttp_uri_get_query(check_request_uri(L));
  struct span text = {query ? query : "", query ? strlen(query) : 0};
  push_form_fields(L, text);
  return 1;
}

/* Decode the base64 after "Basic " into plain; 0 when the header is not of this form. */
static int decode_basic_header(struct buffer *plain, const char *header) {
  unsigned char decoded[MAX_BASIC];
  if (!header || strncasecmp(header, "Basic ", 6) != 0) return 0;
  const char *encoded = header + 6 + strspn(header + 6, " ");
  size_t length = strlen(encoded);
  if (length == 0 || length / 4 * 3 > sizeof decoded) return 0;
  int count = EVP_DecodeBlock(decoded, (const unsigned char *)encoded, (int)length);
  if (count < 0) return 0;
  size_t padding = (encoded[length - 1] == '=') + (size_t)(length > 1 && encoded[length - 2] == '=');
  int ok = buffer_append(plain, decoded, (size_t)count - padding);
  explicit_bzero(decoded, sizeof decoded);
  return ok;
}

/* request:basic() -> user, secret | nil. Both parts are form-encoded before
 * base64 (RFC 6749, 2.3.1). */
static int httpd_request_basic(lua_State *L) {
  struct exchange *exchange = httpd_exchange_check(L);
  struct buffer *plain = buffer_new(L), *part = buffer_new(L);
  if (!decode_basic_header(plain, find_received_header(exchange, "Authorization"))) {
    luaL_pushfail(L);
    return 1;
  }
  struct span rest = {plain->data, plain->length};
  decode_form_text(L, part, cut_form_span(&rest, ':'));
  lua_pushlstring(L, part->data ? part->data : "", part->length);
  decode_form_text(L, part, rest);
  buffer_free(plain);
  secret_take(L, SECRET_CREDENTIAL, part);
  return 2;
}

/* __gc and __close. An unanswered request is dropped, so that its client does not wait. */
static int httpd_request_close(lua_State *L) {
  struct request_handle *request_handle = luaL_checkudata(L, 1, HTTPD_REQUEST);
  if (!request_handle->exchange) return 0;
  if (request_handle->exchange->request) httpd_exchange_drop(request_handle->exchange);
  free(request_handle->exchange);
  request_handle->exchange = NULL;
  return 0;
}

void httpd_request_type(lua_State *L) {
  static const luaL_Reg methods[] = {
      {"listener", httpd_request_listener},
      {"method", httpd_request_method},
      {"path", httpd_request_path},
      {"query", httpd_request_query},
      {"header", httpd_request_header},
      {"body", httpd_request_body},
      {"json", httpd_request_json},
      {"form", httpd_request_form},
      {"basic", httpd_request_basic},
      {"arguments", httpd_request_arguments},
      {"reply", httpd_reply_send},
      {"drop", httpd_reply_drop},
      {"cut", httpd_reply_cut},
      {"size", httpd_request_size},
      {"user", httpd_neighbours_user},
      {NULL, NULL},
  };
  lib_type(L, HTTPD_REQUEST, methods, httpd_request_close);
}
