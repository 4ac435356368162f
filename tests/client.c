/* The HTTPS client of the specs: requests from the spec's own process, over connections that are kept. Test only. */
#include "client.h"

#include "lib.h"

#include <curl/curl.h>

#define CLIENT "client"
#define MAX_ANSWER_MS 60000L /* a later answer is an error */

struct client {
  CURL *easy;
  struct curl_slist *headers; /* of the current request */
  struct buffer body;         /* of the current answer */
};

static struct client *check_client(lua_State *L) {
  struct client *client = luaL_checkudata(L, 1, CLIENT);
  luaL_argcheck(L, client->easy, 1, "client is closed");
  return client;
}

static size_t on_client_body(char *data, size_t size, size_t count, void *body) {
  return buffer_append(body, data, size * count) ? size * count : 0;
}

/* client:close(), __close and __gc. Idempotent. */
static int client_close(lua_State *L) {
  struct client *client = luaL_checkudata(L, 1, CLIENT);
  curl_easy_cleanup(client->easy);
  curl_slist_free_all(client->headers);
  buffer_free(&client->body);
  *client = (struct client){0};
  return 0;
}

/* Replace the request's headers by those of the list at index, "Name: value" each. [-0, +0, e] */
static void set_client_headers(lua_State *L, struct client *client, int index) {
  curl_slist_free_all(client->headers);
  client->headers = NULL;
  for (lua_Integer i = 1; lua_rawgeti(L, index, i) == LUA_TSTRING; i++) {
    struct curl_slist *longer = curl_slist_append(client->headers, lua_tostring(L, -1));
    if (!longer) luaL_error(L, "out of memory");
    client->headers = longer;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
  curl_easy_setopt(client->easy, CURLOPT_HTTPHEADER, client->headers);
}

/* Prepare a request. The body is sent unchanged, and has to outlive the request. */
static void set_client_request(struct client *client, const char *method, const char *url, const char *body,
                               size_t length) {
  curl_easy_setopt(client->easy, CURLOPT_URL, url);
  curl_easy_setopt(client->easy, CURLOPT_HTTPGET, 1L); /* removes the body of the last request */
  if (body) {
    curl_easy_setopt(client->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    curl_easy_setopt(client->easy, CURLOPT_POSTFIELDS, body);
  }
  curl_easy_setopt(client->easy, CURLOPT_CUSTOMREQUEST, method);
}

/* client:ask(method, url, headers, body) -> status, text | nil, message. `headers` is a list of "Name: value";
 * without a body none is sent. */
static int client_ask(lua_State *L) {
  struct client *client = check_client(L);
  const char *method = luaL_checkstring(L, 2), *url = luaL_checkstring(L, 3);
  luaL_checktype(L, 4, LUA_TTABLE);
  size_t length = 0;
  const char *body = luaL_optlstring(L, 5, NULL, &length);
  set_client_headers(L, client, 4);
  set_client_request(client, method, url, body, length);
  buffer_free(&client->body);
  CURLcode result = curl_easy_perform(client->easy);
  if (result != CURLE_OK) return lib_fail(L, "%s %s: %s", method, url, curl_easy_strerror(result));
  long status = 0;
  curl_easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &status);
  lua_pushinteger(L, status);
  lua_pushlstring(L, client->body.data ? client->body.data : "", client->body.length);
  return 2;
}

/* client.open(ca) -> client, which trusts only the certificate authority in this PEM file. */
static int client_open(lua_State *L) {
  const char *ca = luaL_checkstring(L, 1);
  struct client *client = lib_new(L, sizeof *client, CLIENT);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  client->easy = curl_easy_init();
  if (!client->easy) return luaL_error(L, "out of memory");
  curl_easy_setopt(client->easy, CURLOPT_CAINFO, ca);
  curl_easy_setopt(client->easy, CURLOPT_PROXY, "");
  curl_easy_setopt(client->easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(client->easy, CURLOPT_TIMEOUT_MS, MAX_ANSWER_MS);
  curl_easy_setopt(client->easy, CURLOPT_WRITEFUNCTION, on_client_body);
  curl_easy_setopt(client->easy, CURLOPT_WRITEDATA, &client->body);
  return 1;
}

int luaopen_client(lua_State *L) {
  static const luaL_Reg methods[] = {{"ask", client_ask}, {"close", client_close}, {NULL, NULL}};
  static const luaL_Reg functions[] = {{"open", client_open}, {NULL, NULL}};
  lib_type(L, CLIENT, methods, client_close);
  luaL_newlib(L, functions);
  return 1;
}
