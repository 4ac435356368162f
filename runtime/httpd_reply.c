/* host.httpd: answer a request with a whole answer, with a part of one, or not at all.
 *
 * Each error is raised before the exchange ends; from then on the request belongs to libevent again.
 */
#include "httpd_internal.h"

#include "json.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>

/* An answer to send. Its parts are on the Lua stack. */
struct reply {
  int status;
  struct buffer *body;
  int is_json;
};

/* Read the arguments (status, headers, body) from index 2 on, and push a buffer with the body. [-0, +1, e] */
static struct reply check_reply(lua_State *L) {
  struct reply reply = {0};
  size_t length;
  reply.status = (int)luaL_checkinteger(L, 2);
  luaL_argcheck(L, reply.status >= 200 && reply.status <= 599, 2, "status must be 200 to 599");
  luaL_checktype(L, 3, LUA_TTABLE);
  reply.is_json = lua_istable(L, 4);
  const char *text = reply.is_json ? NULL : luaL_checklstring(L, 4, &length);
  reply.body = buffer_new(L);
  if (reply.is_json)
    json_encode(L, 4, reply.body, 1);
  else if (!buffer_append(reply.body, text, length))
    lib_no_memory(L);
  return reply;
}

/* Copy the table at index 3 to the headers of the answer; raise an error for a name or value with a line break.
 * Return whether the table asks for chunks (Transfer-Encoding): libevent writes that header itself. */
static int set_reply_headers(lua_State *L, struct evkeyvalq *headers, int is_json) {
  evhttp_clear_headers(headers);
  lua_pushnil(L);
  while (lua_next(L, 3)) {
    luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_isstring(L, -1), 3, "headers must be strings");
    const char *name = lua_tostring(L, -2);
    if (evhttp_add_header(headers, name, lua_tostring(L, -1)) != 0)
      luaL_error(L, "header '%s' has a line break in its name or value", name);
    lua_pop(L, 1);
  }
  if (is_json && !evhttp_find_header(headers, "Content-Type"))
    evhttp_add_header(headers, "Content-Type", "application/json; charset=utf-8");
  return evhttp_remove_header(headers, "Transfer-Encoding") == 0;
}

static void send_chunked(struct evhttp_request *request, int status, struct evbuffer *body) {
  evhttp_send_reply_start(request, status, NULL);
  evhttp_send_reply_chunk(request, body);
  evhttp_send_reply_end(request);
}

int httpd_reply_send(lua_State *L) {
  struct exchange *exchange = httpd_exchange_check(L);
  struct reply reply = check_reply(L);
  int chunked = set_reply_headers(L, evhttp_request_get_output_headers(exchange->request), reply.is_json);
  struct evbuffer *body = evbuffer_new();
  if (!body || evbuffer_add(body, reply.body->data, reply.body->length) != 0) {
    if (body) evbuffer_free(body);
    return lib_no_memory(L);
  }
  struct evhttp_request *request = httpd_exchange_take(exchange);
  if (chunked)
    send_chunked(request, reply.status, body);
  else
    evhttp_send_reply(request, reply.status, NULL, body);
  evbuffer_free(body);
  buffer_free(reply.body);
  return 0;
}

int httpd_reply_drop(lua_State *L) {
  httpd_exchange_drop(httpd_exchange_check(L));
  return 0;
}

/* libevent callbacks: all bytes were sent, or the connection failed. */
static void on_cut_written(struct bufferevent *stream, void *connection) {
  (void)stream;
  evhttp_connection_free(connection);
}

static void on_cut_failed(struct bufferevent *stream, short events, void *connection) {
  (void)stream;
  (void)events;
  evhttp_connection_free(connection);
}

/* Write status line and headers with the Content-Length of the whole body. */
static int write_reply_head(struct bufferevent *stream, int status, const struct evkeyvalq *headers, size_t length) {
  struct evbuffer *out = bufferevent_get_output(stream);
  int ok = evbuffer_add_printf(out, "HTTP/1.1 %d \r\n", status) > 0;
  const struct evkeyval *header;
  TAILQ_FOREACH(header, headers, next)
  ok = ok && evbuffer_add_printf(out, "%s: %s\r\n", header->key, header->value) > 0;
  return ok && evbuffer_add_printf(out, "Content-Length: %zu\r\n\r\n", length) > 0;
}

int httpd_reply_cut(lua_State *L) {
  struct exchange *exchange = httpd_exchange_check(L);
  lua_Integer wanted = luaL_optinteger(L, 5, -1);
  struct reply reply = check_reply(L);
  size_t length = reply.body->length, bytes = wanted < 0 ? length / 2 : (size_t)wanted;
  if (length == 0) return httpd_reply_drop(L);
  if (bytes >= length) bytes = length - 1;
  struct evkeyvalq *headers = evhttp_request_get_output_headers(exchange->request);
  set_reply_headers(L, headers, reply.is_json);
  struct evhttp_connection *connection = evhttp_request_get_connection(exchange->request);
  struct bufferevent *stream = evhttp_connection_get_bufferevent(connection);
  httpd_exchange_take(exchange);
  bufferevent_setcb(stream, NULL, on_cut_written, on_cut_failed, connection);
  if (!write_reply_head(stream, reply.status, headers, length) ||
      bufferevent_write(stream, reply.body->data, bytes) != 0 || bufferevent_enable(stream, EV_WRITE) != 0)
    evhttp_connection_free(connection);
  buffer_free(reply.body);
  return 0;
}
