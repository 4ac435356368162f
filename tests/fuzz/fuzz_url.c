/* Fuzz the link to a next page: an accepted link leads to Graph and below its base, also for a URL parser other than
 * libcurl's. */
#include "fuzz.h"
#include "request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#define BASE "https://graph.microsoft.com/v1.0"
#define ORIGIN "https://graph.microsoft.com:443"

static int hex_digit_value(char c) {
  const char *digits = "0123456789abcdef";
  const char *found = c ? strchr(digits, tolower((unsigned char)c)) : NULL;
  return found ? (int)(found - digits) : -1;
}

/* Copy the host of the authority with its percent escapes decoded, in lower case. */
static void read_host(const char *authority, size_t length, char host[256]) {
  size_t filled = 0;
  for (size_t i = 0; i < length && filled < 255; i++) {
    char c = authority[i];
    if (c == '%' && i + 2 < length && hex_digit_value(authority[i + 1]) >= 0 &&
        hex_digit_value(authority[i + 2]) >= 0) {
      c = (char)(hex_digit_value(authority[i + 1]) * 16 + hex_digit_value(authority[i + 2]));
      i += 2;
    }
    host[filled++] = (char)tolower((unsigned char)c);
  }
  host[filled] = '\0';
}

/* Is this URL one of Graph, by a simple parser? */
static int is_graph_url(const char *url) {
  char host[256];
  if (strncasecmp(url, "https://", 8) != 0) return 0;
  const char *authority = url + 8;
  size_t length = strcspn(authority, "/?#");
  if (memchr(authority, '@', length) || memchr(authority, '\\', length)) return 0;
  const char *colon = memchr(authority, ':', length);
  size_t name = colon ? (size_t)(colon - authority) : length;
  const char *port = colon ? colon + 1 : "";
  size_t digits = colon ? length - name - 1 : 0;
  while (digits > 1 && *port == '0') port++, digits--;
  read_host(authority, name, host);
  if (strcmp(host, "graph.microsoft.com") != 0) return 0;
  if (digits && (digits != 3 || strncmp(port, "443", 3) != 0)) return 0;
  return strncmp(authority + length, "/v1.0/", 6) == 0;
}

/* Is it a URL without line breaks, spaces, bytes beyond ASCII and dot segments? */
static int is_plain_url(const char *url) {
  for (const char *at = url; *at; at++)
    if (*at <= ' ' || *at > '~' || *at == '\\') return 0;
  return !strstr(url, "/../") && !strstr(url, "/./") && !strcasestr(url, "/%2e%2e/");
}

static void check_request(const struct request *request, const char *link) {
  fuzz_expect(strcmp(request->origin, ORIGIN) == 0, "Graph's origin");
  fuzz_expect(strcmp(request->url, link) == 0, "the link as it was given");
  fuzz_expect(is_graph_url(link), "a link to Graph");
  const char *end = link + strcspn(link, "?");
  char path[8192];
  snprintf(path, sizeof path, "%.*s", (int)(end - link), link);
  fuzz_expect(is_plain_url(path), "a plain path");
  fuzz_expect(request->call_count == 1 && request->calls[0].path[0] == '/', "one call");
}

/* Check that the origin of an origin is itself. */
static void check_origin(lua_State *L, const char *link) {
  if (!request_url_push_origin(L, link)) return;
  const char *origin = lua_tostring(L, -1);
  fuzz_expect(strncmp(origin, "https://", 8) == 0 && !strpbrk(origin + 8, "/@\\?# "), "a plain origin");
  fuzz_expect(request_url_push_origin(L, origin), "an origin to be a URL");
  fuzz_expect(strcmp(origin, lua_tostring(L, -1)) == 0, "an origin to be its own");
}

static int make_request(lua_State *L) {
  request_new(L, "graph", "GET", lua_tostring(L, 1));
  return 1;
}

/* Push how libcurl encodes a URL that is parsed after another one, with its origin; or why the URL is refused. */
static const char *push_encoded_url(lua_State *L, const char *before, const char *link) {
  char *text = NULL;
  lua_pushcfunction(L, make_request);
  lua_pushstring(L, before);
  lua_call(L, 1, 0);
  lua_pushcfunction(L, make_request);
  lua_pushstring(L, link);
  if (lua_pcall(L, 1, 1, 0) == LUA_OK) {
    const struct request *request = request_check(L, lua_gettop(L));
    CURLUcode code = curl_url_get(request->target->parsed, CURLUPART_URL, &text, 0);
    fuzz_expect(code == CURLUE_OK, "a URL that can be written");
    lua_pushfstring(L, "%s %s", request->origin, text);
    curl_free(text);
  }
  return lua_tostring(L, -1);
}

/* Check that the result does not depend on the URL that was parsed before. */
static void check_base(lua_State *L, const char *link) {
  const char *near = push_encoded_url(L, BASE, link), *far = push_encoded_url(L, "https://other.test/", link);
  fuzz_expect(strcmp(near, far) == 0, "the same URL whatever came before");
}

static int check_fuzzed_link(lua_State *L) {
  const struct input *input = lua_touserdata(L, 1);
  const char *link = fuzz_push_text(L, input, 0);
  check_origin(L, link);
  check_base(L, link);
  fuzz_push(L, "host.graph", "next");
  lua_pushliteral(L, BASE);
  lua_pushstring(L, link);
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2))
    fuzz_expect(lua_type(L, -1) == LUA_TSTRING, "a reason");
  else
    check_request(request_check(L, lua_gettop(L) - 1), link);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 8000) fuzz_run(check_fuzzed_link, data, size);
  return 0;
}
