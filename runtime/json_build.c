/* The values of a text that json_scan.c has found to be JSON: tables, strings,
 * numbers, and secrets where a member's name says so.
 *
 * It relies on that check: no mistake is looked for here but a repeated name,
 * which only the table itself can tell.
 */
#include "json.h"
#include "json_scan.h"
#include "secret.h"

#include <math.h>
#include <string.h>

#define EXACT 9007199254740992.0 /* 2^53: beyond it a float may stand for another number */

struct building {
  lua_State *L;
  const struct json_scan *scan;
  const char *text;
  size_t at;
  const uint32_t *sizes; /* of the next array or object */
};

/* ---- scalars ---- */

/* The end of the string whose first byte is at start: its closing quote. */
static size_t string_end(const struct building *building, size_t start) {
  const char *text = building->text, *quote = text + start;
  for (;;) {
    quote = memchr(quote, '"', building->scan->length - (size_t)(quote - text));
    const char *before = quote;
    while (before > text + start && before[-1] == '\\') before--;
    if ((quote - before) % 2 == 0) return (size_t)(quote - text);
    quote++;
  }
}

/* Push the text between two quotes without its escapes. [-0, +1, m] */
static void push_text(lua_State *L, const char *text, size_t length) {
  luaL_Buffer out;
  if (!memchr(text, '\\', length)) {
    lua_pushlstring(L, text, length);
    return;
  }
  char *room = luaL_buffinitsize(L, &out, length);
  luaL_pushresultsize(&out, json_unescape(text, length, room));
}

/* Keep it as a secret. Its escapes are undone on the secure heap. [-0, +1, e] */
static void push_secret(lua_State *L, const char *text, size_t length) {
  struct secret *secret = secret_reserve(L, length);
  secret->length = json_unescape(text, length, secret->bytes);
  secret_register(L);
}

/* The string that begins here, as a secret or as a text. */
static int build_string(struct building *building, int lift) {
  size_t start = building->at + 1, end = string_end(building, start);
  building->at = end + 1;
  if (lift)
    push_secret(building->L, building->text + start, end - start);
  else
    push_text(building->L, building->text + start, end - start);
  return 1;
}

/* Whole numbers are integers, however they are written, as long as a float is sure to mean them. */
static void push_float(lua_State *L, const char *text, size_t length) {
  char copy[JSON_LONGEST_NUMBER + 1];
  memcpy(copy, text, length);
  copy[length] = '\0';
  if (!lua_stringtonumber(L, copy)) luaL_error(L, "a number of JSON is none to Lua");
  lua_Number number = lua_tonumber(L, -1);
  if (floor(number) != number || fabs(number) > EXACT) return;
  lua_pop(L, 1);
  lua_pushinteger(L, (lua_Integer)number);
}

static int build_number(struct building *building) {
  const char *text = building->text + building->at;
  size_t left = building->scan->length - building->at, length = *text == '-';
  lua_Unsigned value = 0;
  for (; length < left && text[length] >= '0' && text[length] <= '9'; length++)
    value = value * 10 + (lua_Unsigned)(text[length] - '0');
  size_t digits = length;
  while (length < left && text[length] && strchr("+-.eE0123456789", text[length])) length++;
  if (length > digits)
    push_float(building->L, text, length);
  else
    lua_pushinteger(building->L, (lua_Integer)(*text == '-' ? 0 - value : value));
  building->at += length;
  return 1;
}

/* ---- arrays and objects ---- */

static int build_value(struct building *building, int lift);

static void seek(struct building *building, char mark) {
  while (building->text[building->at] != mark) building->at++;
  building->at++;
}

static int build_array(struct building *building) {
  lua_State *L = building->L;
  uint32_t count = *building->sizes++;
  lua_createtable(L, (int)count, 0);
  json_mark_array(L);
  building->at++;
  for (uint32_t i = 1; i <= count; i++) {
    if (!build_value(building, 0)) return 0;
    lua_rawseti(L, -2, i);
  }
  seek(building, ']');
  return 1;
}

/* A name and its value, into the table on top. [-0, +0, e] */
static int build_member(struct building *building) {
  lua_State *L = building->L;
  seek(building, '"');
  size_t quote = --building->at;
  build_string(building, 0);
  int lift = json_names_secret(building->scan, building->text + quote + 1, building->at - quote - 2);
  lua_pushvalue(L, -1);
  if (lua_rawget(L, -3) != LUA_TNIL) {
    building->at = quote;
    return 0;
  }
  lua_pop(L, 1);
  seek(building, ':');
  if (!build_value(building, lift)) return 0;
  lua_rawset(L, -3);
  return 1;
}

static int build_object(struct building *building) {
  uint32_t count = *building->sizes++;
  lua_createtable(building->L, 0, (int)count);
  building->at++;
  for (uint32_t i = 0; i < count; i++)
    if (!build_member(building)) return 0;
  seek(building, '}');
  return 1;
}

static int build_word(struct building *building, char first) {
  building->at += first == 'f' ? 5 : 4;
  if (first == 'n')
    lua_pushlightuserdata(building->L, NULL);
  else
    lua_pushboolean(building->L, first == 't');
  return 1;
}

/* The next value, after what separates it from the one before. Where it is a string, lift
 * says that it is a secret. It is no deeper than the scanner allows. [-0, +1, e] */
static int build_value(struct building *building, int lift) {
  while (strchr(" \t\n\r,", building->text[building->at])) building->at++;
  char c = building->text[building->at];
  switch (c) {
  case '"':
    return build_string(building, lift);
  case '{':
    return build_object(building);
  case '[':
    return build_array(building);
  case 't': /* fall through */
  case 'f': /* fall through */
  case 'n':
    return build_word(building, c);
  default:
    return build_number(building);
  }
}

int json_build(lua_State *L, struct json_scan *scan) {
  struct building building = {.L = L, .scan = scan, .text = (const char *)scan->text};
  building.sizes = (const void *)scan->sizes->data;
  int fine = build_value(&building, 0);
  scan->at = building.at;
  return fine;
}
