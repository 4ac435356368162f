/* Helpers of the protocol modules; see wire.h. */
#include "wire.h"

#include "hex.h"
#include "http_date.h"
#include "json.h"
#include "secret.h"

#include <ctype.h>
#include <lualib.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define MAX_LINE_BYTES 500
#define MAX_HEADER_BYTES 65536
#define MAX_RETRY_SECONDS 31536000 /* a year: a longer time is cut to it */

static int is_unreserved_url_character(unsigned char c) {
  return c < 128 && (isalnum(c) || (c && strchr("-._~", c)));
}

/* Return how many bytes at the start of the text need no escape. */
static size_t unescaped_url_length(const char *text, size_t length, const char *plain) {
  size_t i = 0;
  while (i < length && text[i] && (is_unreserved_url_character((unsigned char)text[i]) || strchr(plain, text[i]))) i++;
  return i;
}

void wire_escape(lua_State *L, struct buffer *out, const char *text, size_t length, const char *plain) {
  static const char hex_digits[] = "0123456789ABCDEF";
  for (size_t i = 0; i < length;) {
    size_t run = unescaped_url_length(text + i, length - i, plain);
    buffer_add(L, out, text + i, run);
    i += run;
    if (i == length) return;
    unsigned char c = (unsigned char)text[i++];
    const char escaped[] = {'%', hex_digits[c >> 4], hex_digits[c & 15]};
    buffer_add(L, out, escaped, sizeof escaped);
  }
}

void wire_append_form_field(lua_State *L, struct buffer *out, const char *name, const char *value, size_t length) {
  if (out->length) buffer_add(L, out, "&", 1);
  wire_escape(L, out, name, strlen(name), "");
  buffer_add(L, out, "=", 1);
  wire_escape(L, out, value, length, "");
}

/* Push a sorted list of the string keys of the table at index; returns their number. [-0, +1, e] */
static lua_Integer push_sorted_table_keys(lua_State *L, int index) {
  lua_Integer count = 0;
  index = lua_absindex(L, index);
  lua_newtable(L);
  lua_pushnil(L);
  while (lua_next(L, index)) {
    lua_pop(L, 1);
    if (lua_type(L, -1) != LUA_TSTRING) continue;
    lua_pushvalue(L, -1);
    lua_rawseti(L, -3, ++count);
  }
  if (count < 2) return count;
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  lua_getfield(L, -1, LUA_TABLIBNAME);
  lua_getfield(L, -1, "sort");
  lua_pushvalue(L, -4);
  lua_call(L, 1, 0);
  lua_pop(L, 2);
  return count;
}

void wire_append_query(lua_State *L, int index, struct buffer *out) {
  if (lua_isnoneornil(L, index)) return;
  index = lua_absindex(L, index);
  lua_Integer count = push_sorted_table_keys(L, index);
  for (lua_Integer i = 1; i <= count; i++) {
    size_t name_length, length;
    lua_rawgeti(L, -1, i);
    const char *name = lua_tolstring(L, -1, &name_length);
    lua_getfield(L, index, name);
    if (lua_type(L, -1) != LUA_TSTRING) luaL_error(L, "query member '%s' is not a string", name);
    const char *value = lua_tolstring(L, -1, &length);
    buffer_add(L, out, i == 1 ? "?" : "&", 1);
    wire_escape(L, out, name, name_length, "$@");
    buffer_add(L, out, "=", 1);
    wire_escape(L, out, value, length, ",:()/'@$");
    lua_pop(L, 2);
  }
  lua_pop(L, 1);
}

/* Is this segment empty, or only dots, plain or escaped? */
static int is_dot_path_segment(const char *segment, size_t length) {
  size_t i = 0;
  while (i < length && (segment[i] == '.' || strncasecmp(segment + i, "%2e", 3) == 0)) i += segment[i] == '.' ? 1 : 3;
  return i >= length;
}

/* Does the escape at text hide a control character, '/' or '\'? */
static int escape_hides_separator(const char *text) {
  int c = hex_value(text + 1, 2, 2);
  return c < 32 || c == 127 || c == '/' || c == '\\';
}

/* Return why the character at text may not be in a path, or NULL. */
static const char *path_character_problem(const char *text, size_t left) {
  unsigned char c = (unsigned char)*text;
  if (c == '%' && hex_value(text + 1, left - 1, 2) < 0) return "a '%' without two hex digits after it";
  if (c == '%' && escape_hides_separator(text)) return "a hidden separator or control character";
  if (c != '%' && !is_unreserved_url_character(c) && (!c || !strchr("!$&'()*+,;=:@/", c)))
    return "a character that must be escaped";
  return NULL;
}

const char *wire_path_problem(const char *path, size_t length) {
  size_t start = 1;
  if (!length || path[0] != '/') return "no '/' at its start";
  for (size_t i = 1; i <= length; i++) {
    const char *problem = i < length ? path_character_problem(path + i, length - i) : NULL;
    if (problem) return problem;
    if (i < length && path[i] != '/') continue;
    if (is_dot_path_segment(path + start, i - start)) return "an empty or dotted segment";
    start = i + 1;
  }
  return NULL;
}

const char *wire_path_of(const char *url) {
  const char *authority = strstr(url, "://");
  if (!authority) return url + strlen(url);
  return authority + 3 + strcspn(authority + 3, "/?#");
}

void wire_push_members(lua_State *L, int index) {
  if (!lua_istable(L, index) || json_array_check(L, index)) {
    lua_pushnil(L);
    return;
  }
  lua_Integer count = push_sorted_table_keys(L, index);
  luaL_Buffer out;
  int keys = lua_gettop(L);
  luaL_buffinit(L, &out);
  for (lua_Integer i = 1; i <= count; i++) {
    if (i > 1) luaL_addchar(&out, ',');
    lua_rawgeti(L, keys, i);
    if (strlen(lua_tostring(L, -1)) != lua_rawlen(L, -1)) luaL_error(L, "a member's name has a NUL in it");
    luaL_addvalue(&out);
  }
  luaL_pushresult(&out);
  lua_remove(L, keys);
}

int wire_is_visible(const char *bytes, size_t length) {
  if (!length || length > MAX_HEADER_BYTES) return 0;
  for (size_t i = 0; i < length; i++)
    if (bytes[i] <= ' ' || bytes[i] > '~') return 0;
  return 1;
}

const char *wire_push_string(lua_State *L, int index, const char *name) {
  size_t length;
  lua_getfield(L, index, name);
  const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tolstring(L, -1, &length) : NULL;
  if (text && strlen(text) == length) return text;
  lua_pop(L, 1);
  lua_pushnil(L);
  return NULL;
}

void wire_push_line(lua_State *L, const char *text) {
  luaL_Buffer out;
  size_t length;
  secret_redact(L, text, strcspn(text, "\r\n"));
  text = lua_tolstring(L, -1, &length);
  if (length > MAX_LINE_BYTES) length = MAX_LINE_BYTES;
  while (length && ((unsigned char)text[length] & 0xC0) == 0x80) length--;
  luaL_buffinit(L, &out);
  for (size_t i = 0; i < length; i++) luaL_addchar(&out, iscntrl((unsigned char)text[i]) ? ' ' : text[i]);
  luaL_pushresult(&out);
  lua_remove(L, -2);
}

void wire_set_line(lua_State *L, const char *name, const char *text) {
  if (!text) return;
  wire_push_line(L, text);
  lua_setfield(L, -2, name);
}

double wire_date(const struct answer *answer) {
  const char *value = answer_header(answer, "date");
  return value ? http_date_parse(value) : -1;
}

/* Return the seconds until the date in value, or -1. The server's own clock counts when the answer has a Date, since
 * ours may be wrong. libcurl's parser also makes dates of numbers, so the value must have a time of day. */
static double seconds_until_http_date(const struct answer *answer, const char *value) {
  double then = strchr(value, ':') ? http_date_parse(value) : -1;
  double now = wire_date(answer);
  if (then < 0) return -1;
  if (now < 0) now = (double)time(NULL);
  return then > now ? then - now : 0;
}

double wire_retry_after(const struct answer *answer) {
  const char *value = answer_header(answer, "retry-after");
  if (!value || !*value) return -1;
  size_t digits = strspn(value, "0123456789"), point = digits && value[digits] == '.';
  int is_number = digits && value[digits + point + strspn(value + digits + point, "0123456789")] == 0;
  double seconds = is_number ? ceil(strtod(value, NULL)) : seconds_until_http_date(answer, value);
  return seconds > MAX_RETRY_SECONDS ? MAX_RETRY_SECONDS : seconds;
}

int wire_push_failure(lua_State *L, const struct answer *answer, const char *kind, const char *message) {
  double retry_after = wire_retry_after(answer);
  luaL_pushfail(L);
  lua_newtable(L);
  wire_set_line(L, "kind", kind);
  wire_set_line(L, "message", message);
  lua_pushinteger(L, answer->status);
  lua_setfield(L, -2, "status");
  if (retry_after < 0) return 2;
  lua_pushnumber(L, retry_after);
  lua_setfield(L, -2, "retry_after");
  return 2;
}

int wire_is_html(const struct answer *answer) {
  const char *type = answer_header(answer, "content-type");
  size_t i = 0;
  if (type && strncasecmp(type, "text/html", 9) == 0) return 1;
  while (i < answer->body.length && isspace((unsigned char)answer->body.data[i])) i++;
  return i < answer->body.length && answer->body.data[i] == '<';
}

const char *wire_status_kind(long status) {
  switch (status) {
  case 401:
    return "auth";
  case 403:
    return "denied";
  case 404:
    return "missing";
  case 409: /* fall through */
  case 412:
    return "conflict";
  case 429:
    return "throttled";
  case 408: /* fall through */
  case 500: /* fall through */
  case 502: /* fall through */
  case 503: /* fall through */
  case 504:
    return "transient";
  default:
    return status >= 400 && status < 600 ? "refused" : "bad_answer";
  }
}

int wire_push_segment(lua_State *L, const char *plain) {
  size_t length;
  const char *value = luaL_checklstring(L, 1, &length);
  int is_dotted = length <= 2 && strspn(value, ".") == length;
  luaL_argcheck(L, !is_dotted, 1, "an empty or dotted value cannot be part of a path");
  luaL_argcheck(L, !strpbrk(value, "/\\") && strlen(value) == length, 1, "a separator cannot be part of a segment");
  if (unescaped_url_length(value, length, plain) == length) {
    lua_pushvalue(L, 1);
    return 1;
  }
  struct buffer *out = buffer_new(L);
  wire_escape(L, out, value, length, plain);
  lua_pushlstring(L, out->data, out->length);
  return 1;
}
