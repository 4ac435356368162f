/* host.httpd: a small HTTPS server on loopback, on libevent's evhttp. HTTP/1.1 only; it refuses every address that is
 * not loopback.
 *
 * No Lua code runs inside libevent: the callbacks append to a list on the C heap, and poll() returns the requests of
 * that list as values.
 *
 * Ownership: a server owns the event base, one evhttp per listener, and the list of waiting requests. Requests that
 * poll() returned are owned by Lua and are in a second list; they are emptied when the server closes, because evhttp
 * then frees what they point to. A request keeps its server alive (user value 1).
 */
#include "httpd_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LISTENERS 8
#define MAX_BODY (8 << 20)
#define MAX_HEAD (64 << 10)
#define IDLE_SECONDS 300
#define MAX_WAIT_MS 200 /* longest wait, so that an interrupt is noticed: libevent ignores EINTR */
#define FLUSH_MS 200

struct listener {
  struct httpd *server;
  struct evhttp *http;
  int index;
  int plain;
};

struct httpd {
  struct event_base *base; /* NULL once closed */
  struct event *timer;
  struct event *watch; /* on a descriptor; when it ends, the server is to stop */
  SSL_CTX *context;    /* NULL: plain HTTP */
  struct listener listeners[MAX_LISTENERS];
  int listener_count;
  struct exchanges waiting; /* received, not yet returned by poll() */
  struct exchanges open;    /* returned by poll(), not yet answered */
  struct neighbours neighbours;
  int woken; /* 1: the timer fired, or the watched descriptor ended or had data */
  int ended;
  int lines; /* lines read from the watched descriptor, not yet returned by lines() */
};

static struct httpd *check_server(lua_State *L) {
  struct httpd *server = luaL_checkudata(L, 1, HTTPD_SERVER);
  luaL_argcheck(L, server->base, 1, "server is closed");
  return server;
}

/* libevent callbacks. A Lua error would jump over libevent's frames, so no callback touches a Lua state. */

static void on_server_timer(evutil_socket_t fd, short events, void *argument) {
  struct httpd *server = argument;
  (void)fd;
  (void)events;
  server->woken = 1;
}

static void on_server_watched(evutil_socket_t fd, short events, void *argument) {
  struct httpd *server = argument;
  char typed[256];
  (void)events;
  ssize_t count = read(fd, typed, sizeof typed);
  for (ssize_t i = 0; i < count; i++)
    if (typed[i] == '\n') server->lines++;
  if (count > 0) server->woken = 1;
  if (count > 0 || (count < 0 && (errno == EINTR || errno == EAGAIN))) return;
  event_del(server->watch);
  server->ended = server->woken = 1;
}

/* The client closed the connection of an open request. */
static void on_connection_closed(struct evhttp_connection *connection, void *argument) {
  (void)connection;
  httpd_exchange_end(argument);
}

static void on_evhttp_request(struct evhttp_request *request, void *argument) {
  struct listener *listener = argument;
  struct exchange *exchange = calloc(1, sizeof *exchange);
  if (!exchange) {
    evhttp_send_error(request, 503, "not enough memory");
    return;
  }
  exchange->request = request;
  exchange->listener = listener->index;
  exchange->list = &listener->server->waiting;
  TAILQ_INSERT_TAIL(exchange->list, exchange, link);
  evhttp_connection_set_closecb(evhttp_request_get_connection(request), on_connection_closed, exchange);
}

static struct bufferevent *new_tls_stream(struct event_base *base, SSL_CTX *context) {
  SSL *ssl = SSL_new(context);
  if (!ssl) return NULL;
  struct bufferevent *stream =
      bufferevent_openssl_socket_new(base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
  if (stream) bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
  return stream;
}

static struct bufferevent *on_evhttp_connection(struct event_base *base, void *argument) {
  struct listener *listener = argument;
  struct bufferevent *stream = listener->plain ? bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE)
                                               : new_tls_stream(base, listener->server->context);
  if (stream) httpd_neighbours_add(&listener->server->neighbours, stream);
  return stream;
}

/* All descriptors are in use. libevent tries again; without this callback it would write to the terminal. */
static void on_accept_error(struct evconnlistener *listener, void *argument) {
  (void)listener;
  (void)argument;
}

/* Return the address to bind for this host, or NULL when it is not loopback. */
static const char *server_loopback_address(const char *host) {
  struct in_addr ipv4;
  struct in6_addr ipv6;
  if (strcmp(host, "localhost") == 0) return "127.0.0.1";
  if (inet_pton(AF_INET, host, &ipv4) == 1) return ntohl(ipv4.s_addr) >> 24 == 127 ? host : NULL;
  if (inet_pton(AF_INET6, host, &ipv6) == 1) return IN6_IS_ADDR_LOOPBACK(&ipv6) ? host : NULL;
  return NULL;
}

static int get_listener_port(int fd) {
  struct sockaddr_storage address = {0};
  socklen_t length = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &length) != 0) return 0;
  if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
  return ntohs(((struct sockaddr_in *)&address)->sin_port);
}

static struct evhttp *new_evhttp(struct listener *listener) {
  struct evhttp *http = evhttp_new(listener->server->base);
  if (!http) return NULL;
  evhttp_set_max_body_size(http, MAX_BODY);
  evhttp_set_max_headers_size(http, MAX_HEAD);
  evhttp_set_timeout(http, IDLE_SECONDS);
  evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST | EVHTTP_REQ_PUT |
                                       EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS);
  evhttp_set_gencb(http, on_evhttp_request, listener);
  evhttp_set_bevcb(http, on_evhttp_connection, listener);
  return http;
}

/* server:listen(host, port, plain) -> port, listener | nil, message */
static int server_listen(lua_State *L) {
  struct httpd *server = check_server(L);
  const char *host = luaL_checkstring(L, 2);
  lua_Integer port = luaL_checkinteger(L, 3);
  int plain = !server->context || lua_toboolean(L, 4);
  luaL_argcheck(L, port >= 0 && port <= 65535, 3, "port must be 0 to 65535");
  luaL_argcheck(L, server->listener_count < MAX_LISTENERS, 1, "a server listens on at most 8 ports");
  const char *address = server_loopback_address(host);
  if (!address) return lib_fail_kind(L, "address", "cannot listen on '%s': it is not a loopback address", host);
  struct listener *listener = &server->listeners[server->listener_count];
  *listener = (struct listener){server, NULL, server->listener_count + 1, plain};
  listener->http = new_evhttp(listener);
  if (!listener->http) return lib_no_memory(L);
  server->listener_count++;
  errno = 0;
  struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(listener->http, address, (ev_uint16_t)port);
  if (!bound) return lib_fail_kind(L, "port", "cannot listen on %s port %d: %s", host, (int)port, strerror(errno));
  evconnlistener_set_error_cb(evhttp_bound_socket_get_listener(bound), on_accept_error);
  int one = 1, fd = evhttp_bound_socket_get_fd(bound);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
             sizeof one); /* connections inherit it; without it an answer takes 44 ms longer */
  lua_pushinteger(L, get_listener_port(fd));
  lua_pushinteger(L, listener->index);
  return 2;
}

/* Run libevent until a request waits, the server is woken, or ms have passed. */
static void wait_for_request(struct httpd *server, long ms) {
  struct timeval limit = {ms / 1000, ms % 1000 * 1000};
  server->woken = 0;
  event_add(server->timer, &limit);
  while (TAILQ_EMPTY(&server->waiting) && !server->woken) {
    if (event_base_loop(server->base, EVLOOP_ONCE) < 0) break;
    httpd_neighbours_check_newest(&server->neighbours);
  }
  event_del(server->timer);
}

/* Append the next waiting request to the table on top, at index. */
static void push_waiting_request(lua_State *L, struct httpd *server, int index) {
  struct request_handle *request_handle = lib_new(L, sizeof *request_handle, HTTPD_REQUEST);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  struct exchange *exchange = TAILQ_FIRST(&server->waiting);
  TAILQ_REMOVE(&server->waiting, exchange, link);
  TAILQ_INSERT_TAIL(&server->open, exchange, link);
  exchange->list = &server->open;
  request_handle->exchange = exchange;
  lua_rawseti(L, -2, index);
}

/* server:poll(ms) -> list of requests */
static int server_poll(lua_State *L) {
  struct httpd *server = check_server(L);
  lua_Integer ms = luaL_checkinteger(L, 2);
  lua_settop(L, 2);
  lua_newtable(L);
  wait_for_request(server, ms < 0 ? 0 : ms > MAX_WAIT_MS ? MAX_WAIT_MS : (long)ms);
  for (int index = 1; !TAILQ_EMPTY(&server->waiting); index++) push_waiting_request(L, server, index);
  return 1;
}

/* Can reading the descriptor block? A file or /dev/null cannot, and counts as ended. */
static int can_watch_block(int fd) {
  struct stat status;
  if (fstat(fd, &status) != 0) return 0;
  return S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || isatty(fd);
}

/* server:limit(user) */
static int server_limit(lua_State *L) {
  struct httpd *server = check_server(L);
  lua_Integer user = luaL_checkinteger(L, 2);
  luaL_argcheck(L, server->listener_count == 0, 1, "the server listens already: limit it before");
  luaL_argcheck(L, user >= 0 && user <= UINT_MAX, 2, "a user's number expected");
  server->neighbours.user = (unsigned)user;
  server->neighbours.limited = 1;
  return 0;
}

/* server:watch(fd) */
static int server_watch(lua_State *L) {
  struct httpd *server = check_server(L);
  int fd = (int)luaL_checkinteger(L, 2);
  luaL_argcheck(L, !server->watch, 1, "server watches a descriptor already");
  if (!can_watch_block(fd)) {
    server->ended = 1;
    return 0;
  }
  server->watch = event_new(server->base, fd, EV_READ | EV_PERSIST, on_server_watched, server);
  if (!server->watch || event_add(server->watch, NULL) != 0) return lib_no_memory(L);
  return 0;
}

/* server:ended() -> boolean */
static int server_ended(lua_State *L) {
  lua_pushboolean(L, check_server(L)->ended);
  return 1;
}

/* server:lines() -> count */
static int server_lines(lua_State *L) {
  struct httpd *server = check_server(L);
  lua_pushinteger(L, server->lines);
  server->lines = 0;
  return 1;
}

/* Send the answers that were given, for at most FLUSH_MS. */
static void flush_answers(struct httpd *server) {
  struct timeval limit = {0, FLUSH_MS * 1000};
  server->woken = 0;
  event_add(server->timer, &limit);
  while (!server->woken && event_base_loop(server->base, EVLOOP_NONBLOCK) == 0) {
    int pending = event_base_get_num_events(server->base, EVENT_BASE_COUNT_ACTIVE);
    if (pending == 0) break;
  }
}

/* End all exchanges of a list, before evhttp frees what they point to. owned: free them too; else Lua frees them. */
static void end_exchanges(struct exchanges *list, int owned) {
  while (!TAILQ_EMPTY(list)) {
    struct exchange *exchange = TAILQ_FIRST(list);
    evhttp_connection_set_closecb(evhttp_request_get_connection(exchange->request), NULL, NULL);
    httpd_exchange_end(exchange);
    if (owned) free(exchange);
  }
}

/* server:close(), __close and __gc. Open requests end; their clients notice that the connection is closed.
 * Idempotent. */
static int server_close(lua_State *L) {
  struct httpd *server = luaL_checkudata(L, 1, HTTPD_SERVER);
  if (!server->base) return 0;
  if (server->timer) flush_answers(server);
  end_exchanges(&server->waiting, 1);
  end_exchanges(&server->open, 0);
  for (int i = 0; i < server->listener_count; i++) evhttp_free(server->listeners[i].http);
  httpd_neighbours_free(&server->neighbours);
  if (server->watch) event_free(server->watch);
  if (server->timer) event_free(server->timer);
  event_base_free(server->base);
  SSL_CTX_free(server->context);
  server->base = NULL;
  return 0;
}

/* httpd.server(identity or nil) -> server */
static int httpd_server(lua_State *L) {
  SSL_CTX *context = lua_isnoneornil(L, 1) ? NULL : httpd_identity_context(L, 1);
  struct httpd *server = lib_new(L, sizeof *server, HTTPD_SERVER);
  TAILQ_INIT(&server->waiting);
  TAILQ_INIT(&server->open);
  server->base = event_base_new();
  server->timer = server->base ? event_new(server->base, -1, 0, on_server_timer, server) : NULL;
  if (!server->timer) return lib_no_memory(L);
  if (context) SSL_CTX_up_ref(context);
  server->context = context;
  return 1;
}

static const luaL_Reg server_methods[] = {
    {"limit", server_limit}, {"listen", server_listen}, {"poll", server_poll},   {"watch", server_watch},
    {"ended", server_ended}, {"lines", server_lines},   {"close", server_close}, {NULL, NULL},
};

static const luaL_Reg functions[] = {{"identity", httpd_identity}, {"server", httpd_server}, {NULL, NULL}};

int luaopen_host_httpd(lua_State *L);
int luaopen_host_httpd(lua_State *L) {
  httpd_identity_type(L);
  httpd_request_type(L);
  lib_type(L, HTTPD_SERVER, server_methods, server_close);
  luaL_newlib(L, functions);
  return 1;
}
