/* URLs of requests: which are allowed, their parts as libcurl parses them, and their origin.
 *
 * The scheme and authority of the last URL are kept as libcurl parsed them, because most requests of a run differ
 * only in path and query. Comparing this part as text is safe: libcurl ends the authority at the first "/", "?" or
 * "#", as this file does.
 */
#include "request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define URL_BASE "host.request.base"
#define DOT_SEGMENT "its path has a segment \".\" or \"..\""

static const char url_base_key;

/* Scheme and authority of the last URL that was parsed completely. */
struct url_base {
  char *text;
  size_t length;
  CURLU *parsed; /* parsed by libcurl, without path and query */
  char *origin;
};

/* ---- parsing ---- */

/* May URLs of this peer be plain HTTP? Azure's identity endpoints are; the gate limits them to this machine and its
 * link. */
static int allows_plain_http(const char *peer) {
  return strcmp(peer, "identity") == 0;
}

/* Return why the text is not an allowed URL, or NULL. Only characters of RFC 3986 are allowed: libcurl would send
 * others unchanged. */
static const char *url_text_problem(const char *peer, const char *url) {
  size_t scheme = strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
  if (!scheme && allows_plain_http(peer) && strncasecmp(url, "http://", 7) == 0) scheme = 7;
  if (!scheme) return "it does not begin with https://";
  if (url[scheme] == '/') return "it has no host";
  for (const char *at = url; *at; at++) {
    if (*at <= ' ' || *at > '~') return "it contains a space, a control character or a character beyond ASCII";
    if (!isalnum((unsigned char)*at) && strchr("\\\"<>^`{|}", *at))
      return "it contains a character that has to be percent-encoded";
  }
  return NULL;
}

/* Return the length of "." at text, plain or as %2e; 0 when there is none. */
static size_t url_dot_length(const char *text) {
  return *text == '.' ? 1 : strncasecmp(text, "%2e", 3) == 0 ? 3 : 0;
}

/* Has the path a segment "." or ".."? The requested path would differ from the checked one. */
static int url_has_dot_segment(const char *path) {
  for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
    size_t dots = url_dot_length(at + 1);
    if (dots) dots += url_dot_length(at + 1 + dots);
    if (dots && (at[1 + dots] == '/' || at[1 + dots] == '\0')) return 1;
  }
  return 0;
}

/* Return a part of the parsed URL, for curl_free; NULL when it has none. */
static char *get_url_part(CURLU *parsed, CURLUPart which) {
  char *part = NULL;
  return curl_url_get(parsed, which, &part, CURLU_DEFAULT_PORT) == CURLUE_OK ? part : NULL;
}

static int has_url_part(CURLU *parsed, CURLUPart which) {
  char *part = get_url_part(parsed, which);
  curl_free(part);
  return part != NULL;
}

/* Return why the parts of the parsed URL are not allowed, or NULL. */
static const char *url_parts_problem(CURLU *parsed) {
  char *path = get_url_part(parsed, CURLUPART_PATH);
  int dots = path && url_has_dot_segment(path);
  curl_free(path);
  if (dots) return DOT_SEGMENT;
  if (has_url_part(parsed, CURLUPART_USER) || has_url_part(parsed, CURLUPART_PASSWORD)) return "it names a user";
  if (has_url_part(parsed, CURLUPART_FRAGMENT)) return "it has a fragment (#)";
  if (has_url_part(parsed, CURLUPART_ZONEID)) return "it has an IPv6 zone";
  return NULL;
}

/* Return scheme://host:port in lower case, on the C heap; NULL when memory is out. */
static char *make_url_origin(const char *scheme, const char *host, const char *port) {
  if (!scheme || !host || !port) return NULL;
  char *origin = malloc(strlen(scheme) + strlen(host) + strlen(port) + sizeof "://:");
  if (!origin) return NULL;
  stpcpy(stpcpy(stpcpy(stpcpy(stpcpy(origin, scheme), "://"), host), ":"), port);
  for (char *at = origin; *at; at++) *at = (char)tolower((unsigned char)*at);
  return origin;
}

/* Get the origin of a parsed URL, which the caller frees. Returns NULL, or why the host is not allowed. */
static const char *get_parsed_origin(CURLU *parsed, char **origin) {
  char *scheme = get_url_part(parsed, CURLUPART_SCHEME);
  char *host = get_url_part(parsed, CURLUPART_HOST);
  char *port = get_url_part(parsed, CURLUPART_PORT);
  size_t length = host ? strlen(host) : 0;
  const char *problem = length && host[length - 1] == '.' ? "its host ends with a dot" : NULL;
  for (size_t i = 0; i < length && !problem; i++)
    if (host[i] <= ' ' || host[i] > '~')
      problem = "its host has a character beyond ASCII";
    else if (!isalnum((unsigned char)host[i]) && !strchr(".-_:[]", host[i])) /* the URL had it percent-encoded */
      problem = "its host has a character that no host has";
  *origin = problem ? NULL : make_url_origin(scheme, host, port);
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  return problem ? problem : *origin ? NULL : "not enough memory";
}

/* Parse the whole URL with libcurl; the caller frees both results. Returns NULL, or why not. */
static const char *parse_whole_url(const char *url, CURLU **parsed, char **origin) {
  *parsed = curl_url();
  if (!*parsed) return "not enough memory";
  CURLUcode code = curl_url_set(*parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
  if (code != CURLUE_OK) return curl_url_strerror(code);
  const char *problem = url_parts_problem(*parsed);
  return problem ? problem : get_parsed_origin(*parsed, origin);
}

/* ---- the base of the last URL ---- */

static void clear_url_base(struct url_base *base) {
  free(base->text);
  free(base->origin);
  curl_url_cleanup(base->parsed);
  *base = (struct url_base){0};
}

/* __gc of the base. */
static int url_base_close(lua_State *L) {
  clear_url_base(luaL_checkudata(L, 1, URL_BASE));
  return 0;
}

void request_url_types(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  lib_type(L, URL_BASE, none, url_base_close);
}

/* Return the base of this Lua state, which the registry anchors. [-0, +0, m] */
static struct url_base *get_url_base(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &url_base_key) == LUA_TNIL) {
    lua_pop(L, 1);
    lib_new(L, sizeof(struct url_base), URL_BASE);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &url_base_key);
  }
  struct url_base *base = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return base;
}

/* Keep scheme and authority of the URL; when memory is out, nothing is kept. */
static void keep_url_base(struct url_base *base, const char *url, CURLU *parsed, const char *origin) {
  const char *authority = strstr(url, "://") + 3;
  clear_url_base(base);
  base->length = (size_t)(authority - url) + strcspn(authority, "/?#");
  base->text = strndup(url, base->length);
  base->origin = strdup(origin);
  base->parsed = curl_url_dup(parsed);
  if (!base->text || !base->origin || !base->parsed ||
      curl_url_set(base->parsed, CURLUPART_PATH, NULL, 0) != CURLUE_OK ||
      curl_url_set(base->parsed, CURLUPART_QUERY, NULL, 0) != CURLUE_OK)
    clear_url_base(base);
}

/* Is the URL the base with another path and query that libcurl takes unchanged? When they are set, libcurl would
 * change escapes, and drop an empty query. */
static int is_below_base(const struct url_base *base, const char *url) {
  if (!base->text || strncmp(url, base->text, base->length) != 0 || url[base->length] != '/') return 0;
  const char *rest = url + base->length, *query = strchr(rest, '?');
  return !strchr(rest, '%') && !strchr(rest, '#') && (!query || query[1]);
}

/* Parse the URL as a copy of the base with another path and query. The text of url is restored. */
static const char *parse_below_base(const struct url_base *base, char *url, CURLU **parsed, char **origin) {
  char *path = url + base->length, *query = strchr(path, '?');
  *parsed = curl_url_dup(base->parsed);
  *origin = strdup(base->origin);
  if (!*parsed || !*origin) return "not enough memory";
  if (query) *query = '\0';
  CURLUcode code = curl_url_set(*parsed, CURLUPART_PATH, path, 0);
  int dots = url_has_dot_segment(path);
  if (query) *query = '?';
  if (!code && query) code = curl_url_set(*parsed, CURLUPART_QUERY, query + 1, 0);
  if (code) return curl_url_strerror(code);
  return dots ? DOT_SEGMENT : NULL;
}

/* ---- targets ---- */

struct target *request_url_new_target(void) {
  struct target *target = calloc(1, sizeof *target);
  if (target) target->references = 1;
  return target;
}

const char *request_url_parse(lua_State *L, struct target *target, const char *peer, char *url, char **origin) {
  const char *problem = target ? url_text_problem(peer, url) : "not enough memory";
  if (problem) return problem;
  struct url_base *base = get_url_base(L);
  if (is_below_base(base, url)) return parse_below_base(base, url, &target->parsed, origin);
  problem = parse_whole_url(url, &target->parsed, origin);
  if (!problem) keep_url_base(base, url, target->parsed, *origin);
  return problem;
}

struct target *request_url_share(struct target *target) {
  target->references++;
  return target;
}

void request_url_release(struct target *target) {
  if (!target || --target->references) return;
  curl_url_cleanup(target->parsed);
  free(target);
}

/* ---- origins ---- */

int request_url_push_origin(lua_State *L, const char *url) {
  return request_url_push_peer_origin(L, "", url);
}

int request_url_push_peer_origin(lua_State *L, const char *peer, const char *url) {
  CURLU *parsed = NULL;
  char *origin = NULL;
  char text[1024] = "";
  const char *problem = url_text_problem(peer, url);
  if (!problem) problem = parse_whole_url(url, &parsed, &origin);
  curl_url_cleanup(parsed);
  if (!problem && strlen(origin) >= sizeof text) problem = "its host is too long";
  if (!problem) strcpy(text, origin);
  free(origin);
  if (problem) {
    lib_fail(L, "the URL %s is refused: %s", url, problem);
    return 0;
  }
  lua_pushstring(L, text);
  return 1;
}
