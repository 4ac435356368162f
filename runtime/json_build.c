/* Builds the Lua value of a JSON text that the scanner accepted. So the text needs no check here, and the scanner's
 * spots tell which strings are no plain texts.
 *
 * Objects in a list mostly have the same members. So a table gets room for as many members as the object before it had
 * (which is at most as many as were there), and the names that were used last stay on the stack, so that Lua does not
 * look them up again.
 */
#include "json.h"
#include "json_internal.h"
#include "secret.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { KNOWN_NAMES = 32, MAX_KNOWN_NAME = 40 }; /* a power of two; bytes of the longest one */
#define MAX_EXACT_INTEGER 9007199254740992.0    /* 2^53: a larger float may stand for another integer */

struct building {
  lua_State *L;
  const struct json_scan *scan;
  const char *text;
  size_t at;                          /* offset in the text */
  const struct json_spot *spot, *end; /* the next spot, and the end of the spots */
  int sent;                           /* stack index of the list of sent secrets; 0 for none */
  int array_metatable;                /* stack index of the metatable of arrays */
  int names;                          /* stack index of the first known name */
  struct {
    const char *start; /* in the text */
    size_t length;     /* 0: no name is known here */
  } known[KNOWN_NAMES];
  unsigned depth;
  int members[JSON_DEPTH + 1]; /* of the last object at each depth */
};

static void build_value(struct building *building);

/* ---- strings ---- */

/* Push the sent secret that equals this text and return 1; or push nothing and return 0. [-0, +1|+0, e] */
static int push_sent_secret(struct building *building, const struct buffer *text) {
  lua_State *L = building->L;
  for (lua_Integer i = 1; lua_rawgeti(L, building->sent, i) != LUA_TNIL; i++) {
    const struct secret *sent = secret_test(L, -1);
    lua_pop(L, 1);
    if (!sent || sent->length != text->length || memcmp(sent->bytes, text->data, text->length) != 0) continue;
    secret_new(L, sent->kind, sent->bytes, sent->length);
    return 1;
  }
  lua_pop(L, 1);
  return 0;
}

struct buffer *json_push_unescaped(lua_State *L, const struct json_scan *scan, size_t start, size_t end) {
  struct buffer *unescaped = buffer_new(L);
  if (!buffer_append(unescaped, scan->text + start, end - start) || !buffer_append(unescaped, "", 1)) lib_no_memory(L);
  unescaped->length = json_unescape((const char *)scan->text + start, end - start, unescaped->data);
  return unescaped;
}

/* Push the string at the spot: as a secret when it equals a sent one, else with secrets redacted. [-0, +1, e] */
static void push_checked_text(struct building *building, const struct json_spot *spot) {
  lua_State *L = building->L;
  struct buffer *text = json_push_unescaped(L, building->scan, spot->start + 1, spot->end - 1);
  if (!push_sent_secret(building, text)) secret_redact(L, text->data, text->length);
  buffer_free(text);
  lua_remove(L, -2);
}

/* Push the string at the spot as a secret; no copy of it is made outside the secure heap. [-0, +1, e] */
static void push_secret(struct building *building, const struct json_spot *spot) {
  lua_State *L = building->L;
  size_t length = spot->end - spot->start - 2;
  struct secret *secret = secret_reserve(L, (enum secret_kind)spot->secret, length);
  secret->length = json_unescape(building->text + spot->start + 1, length, secret->bytes);
  secret_register(L);
}

/* Return the length of the string whose first character is at text. Sets whether it has escapes. */
static size_t string_length(const char *text, size_t left, int *has_escapes) {
  size_t length = (size_t)((const char *)memchr(text, '"', left) - text);
  const char *escape = memchr(text, '\\', length);
  *has_escapes = escape != NULL;
  if (!escape) return length;
  for (length = (size_t)(escape - text); text[length] != '"';) length += text[length] == '\\' ? 2 : 1;
  return length;
}

/* Push the string with its escapes decoded. Not inlined: the compiler clears the buffer at each call, which takes
 * longer than pushing a usual string. [-0, +1, m] */
__attribute__((noinline)) static void push_string_with_escapes(lua_State *L, const char *text, size_t length) {
  luaL_Buffer out;
  luaL_pushresultsize(&out, json_unescape(text, length, luaL_buffinitsize(L, &out, length)));
}

/* Push the string of this length at text. [-0, +1, m] */
static void push_string(lua_State *L, const char *text, size_t length, int has_escapes) {
  if (has_escapes)
    push_string_with_escapes(L, text, length);
  else
    lua_pushlstring(L, text, length);
}

static void build_string(struct building *building) {
  const struct json_spot *spot = building->spot;
  int has_escapes;
  if (spot < building->end && spot->start == building->at) {
    building->spot++;
    building->at = spot->end;
    if (spot->kind == SPOT_SECRET)
      push_secret(building, spot);
    else
      push_checked_text(building, spot);
    return;
  }
  const char *text = building->text + building->at + 1;
  size_t length = string_length(text, building->scan->length - building->at - 1, &has_escapes);
  building->at += length + 2;
  push_string(building->L, text, length, has_escapes);
}

/* Push the name of the member at the current offset. [-0, +1, m] */
static void build_name(struct building *building) {
  lua_State *L = building->L;
  int has_escapes;
  const char *text = building->text + building->at + 1;
  size_t length = string_length(text, building->scan->length - building->at - 1, &has_escapes);
  building->at += length + 2;
  if (has_escapes || length == 0 || length > MAX_KNOWN_NAME) {
    push_string(L, text, length, has_escapes);
    return;
  }
  unsigned place = ((unsigned char)text[0] * 3 + (unsigned char)text[length - 1] * 5 + length) % KNOWN_NAMES;
  int index = building->names + (int)place;
  if (building->known[place].length == length && memcmp(building->known[place].start, text, length) == 0) {
    lua_pushvalue(L, index);
    return;
  }
  building->known[place].start = text;
  building->known[place].length = length;
  lua_pushlstring(L, text, length);
  lua_copy(L, -1, index);
}

/* ---- numbers ---- */

/* Push an integer, which fits 64 bits. */
static void push_integer(lua_State *L, const char *digits, size_t length, int is_negative) {
  uint64_t value = 0;
  for (size_t i = 0; i < length; i++) value = value * 10 + (uint64_t)(digits[i] - '0');
  lua_pushinteger(L, (lua_Integer)(is_negative ? 0 - value : value));
}

/* Push a number with a fraction or exponent: as an integer when it is whole. Not inlined, for the same reason. */
__attribute__((noinline)) static void push_number(lua_State *L, const char *text, size_t length) {
  char copy[JSON_MAX_NUMBER + 1];
  memcpy(copy, text, length);
  copy[length] = '\0';
  double number = strtod(copy, NULL);
  if (fabs(number) <= MAX_EXACT_INTEGER && (double)(lua_Integer)number == number)
    lua_pushinteger(L, (lua_Integer)number);
  else
    lua_pushnumber(L, number);
}

static void build_number(struct building *building) {
  const char *text = building->text + building->at;
  size_t left = building->scan->length - building->at, sign = *text == '-', length = sign;
  while (length < left && text[length] >= '0' && text[length] <= '9') length++;
  size_t integer_length = length;
  while (length < left && text[length] && strchr("0123456789.eE+-", text[length])) length++;
  building->at += length;
  if (length == integer_length)
    push_integer(building->L, text + sign, length - sign, sign == 1);
  else
    push_number(building->L, text, length);
}

/* ---- values ---- */

/* Return the next character that is no whitespace, and move to it; 0 at the end. */
static char next_character(struct building *building) {
  while (building->at < building->scan->length && (unsigned char)building->text[building->at] <= ' ') building->at++;
  return building->at < building->scan->length ? building->text[building->at] : 0;
}

/* Move past '{' or '[', and return 1; or, when the value is empty, past its end too, and return 0. */
static int enter(struct building *building, char end) {
  building->at++;
  if (next_character(building) != end) return 1;
  building->at++;
  return 0;
}

/* Move past the character after a member or element, and return 1 when it was a comma. */
static int goes_on(struct building *building) {
  char c = next_character(building);
  building->at++;
  return c == ',';
}

static void build_object(struct building *building) {
  lua_State *L = building->L;
  int *members = &building->members[building->depth++], count = 0;
  int has_members = enter(building, '}');
  lua_createtable(L, 0, has_members ? *members : 0);
  for (; has_members; has_members = goes_on(building), count++) {
    next_character(building);
    build_name(building);
    next_character(building);
    building->at++; /* the colon */
    build_value(building);
    lua_rawset(L, -3);
  }
  *members = count;
  building->depth--;
}

static void build_array(struct building *building) {
  lua_State *L = building->L;
  int has_elements = enter(building, ']');
  lua_newtable(L);
  lua_pushvalue(L, building->array_metatable);
  lua_setmetatable(L, -2);
  building->depth++;
  for (lua_Integer i = 1; has_elements; has_elements = goes_on(building), i++) {
    build_value(building);
    lua_rawseti(L, -2, i);
  }
  building->depth--;
}

/* Push true, false or null. */
static void build_literal(struct building *building, char first) {
  building->at += first == 'f' ? 5 : 4;
  if (first == 'n')
    lua_pushlightuserdata(building->L, NULL);
  else
    lua_pushboolean(building->L, first == 't');
}

/* Push the value at the current offset, and move past it. It calls itself for each level of nesting, of which the
 * scanner allows JSON_DEPTH. [-0, +1, e] */
static void build_value(struct building *building) {
  char c = next_character(building);
  switch (c) {
  case '"':
    build_string(building);
    break;
  case '{':
    build_object(building);
    break;
  case '[':
    build_array(building);
    break;
  case 't':
  case 'f':
  case 'n':
    build_literal(building, c);
    break;
  default:
    build_number(building);
  }
}

void json_build(lua_State *L, const struct json_scan *scan, int sent) {
  struct building building = {.L = L, .scan = scan, .text = (const char *)scan->text, .sent = sent};
  luaL_checkstack(L, 2 * (int)scan->deepest + KNOWN_NAMES + LUA_MINSTACK, "JSON");
  building.spot = (const void *)scan->spots->data;
  building.end = building.spot + scan->spots->length / sizeof(struct json_spot);
  json_array_push_metatable(L);
  building.array_metatable = lua_gettop(L);
  building.names = building.array_metatable + 1;
  lua_settop(L, building.array_metatable + KNOWN_NAMES);
  build_value(&building);
}
