/* host.httpd: an exchange, which is a received request until it is answered or dropped. */
#include "httpd_internal.h"

#include <event2/http.h>

void httpd_exchange_end(struct exchange *exchange) {
  if (exchange->list) TAILQ_REMOVE(exchange->list, exchange, link);
  exchange->list = NULL;
  exchange->request = NULL;
}

struct exchange *httpd_exchange_check(lua_State *L) {
  struct request_handle *request_handle = luaL_checkudata(L, 1, HTTPD_REQUEST);
  luaL_argcheck(L, request_handle->exchange && request_handle->exchange->request, 1,
                "the request was answered already, or its server is closed");
  return request_handle->exchange;
}

struct evhttp_request *httpd_exchange_take(struct exchange *exchange) {
  struct evhttp_request *request = exchange->request;
  evhttp_connection_set_closecb(evhttp_request_get_connection(request), NULL, NULL);
  httpd_exchange_end(exchange);
  return request;
}

void httpd_exchange_drop(struct exchange *exchange) {
  evhttp_connection_free(evhttp_request_get_connection(httpd_exchange_take(exchange)));
}
