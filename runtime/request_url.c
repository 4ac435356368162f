/* Where requests go: what a URL may be, its parts as libcurl reads them, and its origin.
 *
 * The scheme and authority of the last URL are kept as libcurl parsed them: of what a
 * program asks for, most differs only in what follows. The same text there is the
 * same to libcurl, which ends it at the first "/", "?" or "#", as is done here.
 */
#include "request.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define BASE "host.request.base"
#define DOTS "its path has a segment \".\" or \"..\""

static const char base_key;

/* What stands before the path of the last URL that was parsed whole. */
struct base {
  char *text;
  size_t length;
  CURLU *parsed; /* without path and query */
  char *origin;
};

/* ---- reading ---- */

/* Identity endpoints of Azure's machines and services speak plain HTTP. Where
 * such a peer may be is the gate's to say: nowhere beyond this machine and link. */
static int may_be_plain(const char *peer) {
  return strcmp(peer, "identity") == 0;
}

/* Only characters that RFC 3986 allows in a URL: libcurl would send others unchanged. */
static const char *refuse_text(const char *peer, const char *url) {
  size_t scheme = strncasecmp(url, "https://", 8) == 0 ? 8 : 0;
  if (!scheme && may_be_plain(peer) && strncasecmp(url, "http://", 7) == 0) scheme = 7;
  if (!scheme) return "it does not begin with https://";
  if (url[scheme] == '/') return "it has no host";
  for (const char *at = url; *at; at++) {
    if (*at <= ' ' || *at > '~') return "it contains a space, a control character or a character beyond ASCII";
    if (!isalnum((unsigned char)*at) && strchr("\\\"<>^`{|}", *at))
      return "it contains a character that has to be percent-encoded";
  }
  return NULL;
}

/* Length of "." written plainly or as %2e at text; 0 when there is none. */
static size_t dot_length(const char *text) {
  return *text == '.' ? 1 : strncasecmp(text, "%2e", 3) == 0 ? 3 : 0;
}

/* "." and "..": the checked path would differ from the requested one. */
static int has_dot_segment(const char *path) {
  for (const char *at = strchr(path, '/'); at; at = strchr(at + 1, '/')) {
    size_t dots = dot_length(at + 1);
    if (dots) dots += dot_length(at + 1 + dots);
    if (dots && (at[1 + dots] == '/' || at[1 + dots] == '\0')) return 1;
  }
  return 0;
}

/* One part of the parsed URL in *part, to be freed with curl_free; NULL when absent. */
static char *url_part(CURLU *parsed, CURLUPart which) {
  char *part = NULL;
  return curl_url_get(parsed, which, &part, CURLU_DEFAULT_PORT) == CURLUE_OK ? part : NULL;
}

static int part_present(CURLU *parsed, CURLUPart which) {
  char *part = url_part(parsed, which);
  curl_free(part);
  return part != NULL;
}

static const char *refuse_parts(CURLU *parsed) {
  char *path = url_part(parsed, CURLUPART_PATH);
  int dots = path && has_dot_segment(path);
  curl_free(path);
  if (dots) return DOTS;
  if (part_present(parsed, CURLUPART_USER) || part_present(parsed, CURLUPART_PASSWORD)) return "it names a user";
  if (part_present(parsed, CURLUPART_FRAGMENT)) return "it has a fragment (#)";
  if (part_present(parsed, CURLUPART_ZONEID)) return "it has an IPv6 zone";
  return NULL;
}

/* scheme://host:port in lower case on the C heap; NULL when memory is out. */
static char *make_origin(const char *scheme, const char *host, const char *port) {
  if (!scheme || !host || !port) return NULL;
  char *origin = malloc(strlen(scheme) + strlen(host) + strlen(port) + sizeof "://:");
  if (!origin) return NULL;
  stpcpy(stpcpy(stpcpy(stpcpy(stpcpy(origin, scheme), "://"), host), ":"), port);
  for (char *at = origin; *at; at++) *at = (char)tolower((unsigned char)*at);
  return origin;
}

static const char *parsed_origin(CURLU *parsed, char **origin) {
  char *scheme = url_part(parsed, CURLUPART_SCHEME);
  char *host = url_part(parsed, CURLUPART_HOST);
  char *port = url_part(parsed, CURLUPART_PORT);
  size_t length = host ? strlen(host) : 0;
  const char *why = length && host[length - 1] == '.' ? "its host ends with a dot" : NULL;
  for (size_t i = 0; i < length && !why; i++)
    if (host[i] <= ' ' || host[i] > '~')
      why = "its host has a character beyond ASCII";
    else if (!isalnum((unsigned char)host[i]) && !strchr(".-_:[]", host[i])) /* it was written with percent signs */
      why = "its host has a character that no host has";
  *origin = why ? NULL : make_origin(scheme, host, port);
  curl_free(scheme);
  curl_free(host);
  curl_free(port);
  return why ? why : *origin ? NULL : "not enough memory";
}

/* Parse with libcurl, into things the caller frees. Returns NULL, or why not. */
static const char *parse_whole(const char *url, CURLU **parsed, char **origin) {
  *parsed = curl_url();
  if (!*parsed) return "not enough memory";
  CURLUcode code = curl_url_set(*parsed, CURLUPART_URL, url, CURLU_DISALLOW_USER | CURLU_PATH_AS_IS);
  if (code != CURLUE_OK) return curl_url_strerror(code);
  const char *why = refuse_parts(*parsed);
  return why ? why : parsed_origin(*parsed, origin);
}

/* ---- the last base ---- */

static void base_clear(struct base *base) {
  free(base->text);
  free(base->origin);
  curl_url_cleanup(base->parsed);
  *base = (struct base){0};
}

/* __gc. */
static int base_close(lua_State *L) {
  base_clear(luaL_checkudata(L, 1, BASE));
  return 0;
}

void request_target_types(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  lib_type(L, BASE, none, base_close);
}

/* The state's, which the registry keeps. [-0, +0, m] */
static struct base *base_of(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &base_key) == LUA_TNIL) {
    lua_pop(L, 1);
    lib_new(L, sizeof(struct base), BASE);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &base_key);
  }
  struct base *base = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return base;
}

/* Remember what stands before the path; nothing when memory is out for it. */
static void base_set(struct base *base, const char *url, CURLU *parsed, const char *origin) {
  const char *authority = strstr(url, "://") + 3;
  base_clear(base);
  base->length = (size_t)(authority - url) + strcspn(authority, "/?#");
  base->text = strndup(url, base->length);
  base->origin = strdup(origin);
  base->parsed = curl_url_dup(parsed);
  if (!base->text || !base->origin || !base->parsed ||
      curl_url_set(base->parsed, CURLUPART_PATH, NULL, 0) != CURLUE_OK ||
      curl_url_set(base->parsed, CURLUPART_QUERY, NULL, 0) != CURLUE_OK)
    base_clear(base);
}

/* Is it the base with another path and query, which libcurl takes as they are? It would
 * write escapes otherwise when they are set, and an empty query is none then. */
static int is_below(const struct base *base, const char *url) {
  if (!base->text || strncmp(url, base->text, base->length) != 0 || url[base->length] != '/') return 0;
  const char *rest = url + base->length, *query = strchr(rest, '?');
  return !strchr(rest, '%') && !strchr(rest, '#') && (!query || query[1]);
}

/* Set path and query on a copy of the base. The text is whole again in the end. */
static const char *parse_rest(const struct base *base, char *url, CURLU **parsed, char **origin) {
  char *path = url + base->length, *query = strchr(path, '?');
  *parsed = curl_url_dup(base->parsed);
  *origin = strdup(base->origin);
  if (!*parsed || !*origin) return "not enough memory";
  if (query) *query = '\0';
  CURLUcode code = curl_url_set(*parsed, CURLUPART_PATH, path, 0);
  int dots = has_dot_segment(path);
  if (query) *query = '?';
  if (!code && query) code = curl_url_set(*parsed, CURLUPART_QUERY, query + 1, 0);
  if (code) return curl_url_strerror(code);
  return dots ? DOTS : NULL;
}

/* ---- targets ---- */

struct target *request_target_new(void) {
  struct target *target = calloc(1, sizeof *target);
  if (target) target->holders = 1;
  return target;
}

const char *request_target_parse(lua_State *L, struct target *target, const char *peer, char *url, char **origin) {
  const char *why = target ? refuse_text(peer, url) : "not enough memory";
  if (why) return why;
  struct base *base = base_of(L);
  if (is_below(base, url)) return parse_rest(base, url, &target->parsed, origin);
  why = parse_whole(url, &target->parsed, origin);
  if (!why) base_set(base, url, target->parsed, *origin);
  return why;
}

struct target *request_target_share(struct target *target) {
  target->holders++;
  return target;
}

void request_target_release(struct target *target) {
  if (!target || --target->holders) return;
  curl_url_cleanup(target->parsed);
  free(target);
}

/* ---- origins ---- */

int request_origin(lua_State *L, const char *url) {
  return request_origin_of(L, "", url);
}

int request_origin_of(lua_State *L, const char *peer, const char *url) {
  CURLU *parsed = NULL;
  char *origin = NULL;
  char text[1024] = "";
  const char *why = refuse_text(peer, url);
  if (!why) why = parse_whole(url, &parsed, &origin);
  curl_url_cleanup(parsed);
  if (!why && strlen(origin) >= sizeof text) why = "its host is too long";
  if (!why) strcpy(text, origin);
  free(origin);
  if (why) {
    lib_fail(L, "the URL %s is refused: %s", url, why);
    return 0;
  }
  lua_pushstring(L, text);
  return 1;
}
