/* Writing JSON. The same value gives the same text: keys are sorted by bytes.
 *
 * Tables are read raw and no Lua code runs meanwhile, so that strings stay
 * where they are while keys point into them. The text goes into a buffer that
 * wipes what it leaves behind; nothing here keeps a copy.
 */
#include "json.h"
#include "utf8.h"

#include "json_internal.h"
#include "secret.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct member_key {
  const char *text; /* in the table's own string */
  size_t length;
};

/* A step of the way to the value being written. */
struct step {
  struct member_key key; /* of an object's member; text is NULL for an element */
  lua_Integer index;     /* of an array's element */
};

struct encoding {
  lua_State *L;
  struct buffer *out;
  struct buffer *keys; /* of struct member_key: those of all open objects, innermost last */
  int lower, pretty;
  int depth;
  size_t secrets;        /* that were met */
  struct buffer *places; /* where they are, as json_encode_body says; NULL: nobody asks */
  int copies;
  struct step path[JSON_DEPTH];
};

static void put(struct encoding *encoding, const char *text, size_t length) {
  if (!buffer_append(encoding->out, text, length)) lib_no_memory(encoding->L);
}

static void put_string(struct encoding *encoding, const char *text) {
  put(encoding, text, strlen(text));
}

/* Raise, naming the value by the way to it. */
static int refuse(struct encoding *encoding, const char *why) {
  lua_State *L = encoding->L;
  luaL_Buffer path;
  luaL_buffinit(L, &path);
  for (int i = 0; i < encoding->depth; i++) {
    const struct step *step = &encoding->path[i];
    char index[32];
    snprintf(index, sizeof index, "[%lld]", (long long)step->index);
    if (step->key.text && i > 0) luaL_addchar(&path, '.');
    if (step->key.text)
      luaL_addlstring(&path, step->key.text, step->key.length);
    else
      luaL_addstring(&path, index);
  }
  if (!encoding->depth) luaL_addstring(&path, "the value");
  luaL_pushresult(&path);
  return luaL_error(L, "%s cannot be written as JSON: %s", lua_tostring(L, -1), why);
}

/* Does a text that a person sees have this character of more than one byte escaped? Those that steer a terminal (C1
 * controls) or set the direction of reading (UAX #9): JSON keeps them as data in this form. */
static int is_steering(unsigned code) {
  return (code >= 0x80 && code < 0xa0) || code == 0x61c || code == 0x200e || code == 0x200f || code == 0x2028 ||
         code == 0x2029 || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static void put_escape(struct encoding *encoding, unsigned c) {
  static const char letters[] = "\"\\bfnrt", values[] = "\"\\\b\f\n\r\t";
  const char *value = c < 0x80 ? memchr(values, (int)c, sizeof values - 1) : NULL;
  char escape[8] = {'\\', value ? letters[value - values] : 0, 0};
  if (!value) snprintf(escape, sizeof escape, "\\u%04x", c);
  put_string(encoding, escape);
}

/* Is it an ASCII character that JSON, or (DEL) a text that a person sees, has escaped? */
static int is_special(unsigned c, int lower) {
  return c < 0x20 || c == '"' || c == '\\' || (c == 0x7f && !lower);
}

/* The code point of a well-formed character of two or three bytes; 0 for a longer one. */
static unsigned code_point(const unsigned char *at, size_t size) {
  if (size == 2) return (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu);
  return size == 3 ? (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu) : 0;
}

/* Write a string in quotes; runs that need no escape are copied at once. */
static void put_text(struct encoding *encoding, const char *text, size_t length) {
  const unsigned char *bytes = (const unsigned char *)text;
  size_t written = 0;
  put(encoding, "\"", 1);
  for (size_t i = 0, size; i < length; i += size) {
    size = bytes[i] < 0x80 ? 1 : utf8_size((const char *)bytes + i, length - i);
    if (!size) refuse(encoding, "it is not UTF-8");
    unsigned code = size > 1 && !encoding->lower ? code_point(bytes + i, size) : bytes[i];
    if (size == 1 ? !is_special(code, encoding->lower) : encoding->lower || !is_steering(code)) continue;
    put(encoding, text + written, i - written);
    put_escape(encoding, code);
    written = i + size;
  }
  put(encoding, text + written, length - written);
  put(encoding, "\"", 1);
}

/* Write a number's digits before end, at least so many; returns where they begin. */
static char *digits_before(char *end, unsigned long long number, int least) {
  for (; number > 0 || least > 0; number /= 10, least--) *--end = (char)('0' + number % 10);
  return end;
}

/* Write a number with at most six decimal places, such as a moment, as put_float does, in a tenth of the time;
 * 0 for any other number. Up to 4e9 no two such numbers are the same double. */
static int put_decimal(struct encoding *encoding, lua_Number number) {
  char text[32], *end = text + sizeof text;
  double size = fabs(number), scaled = rint(size * 1e6);
  if (!(size >= 1e-4 && size < 4e9) || scaled / 1e6 != size) return 0;
  unsigned long long whole = (unsigned long long)scaled / 1000000, places = (unsigned long long)scaled % 1000000;
  int count = 6;
  for (; count > 0 && places % 10 == 0; count--) places /= 10;
  char *start = digits_before(end, places, count);
  if (count) *--start = '.';
  start = digits_before(start, whole, 1);
  if (number < 0) *--start = '-';
  put(encoding, start, (size_t)(end - start));
  return 1;
}

/* The shortest text that reads back as the same number. */
static void put_float(struct encoding *encoding, lua_Number number) {
  char text[40];
  if (put_decimal(encoding, number)) return;
  if (!isfinite(number)) refuse(encoding, "it is not a finite number");
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, number);
    if (strtod(text, NULL) == number) break;
  }
  put_string(encoding, text);
}

static void put_number(struct encoding *encoding) {
  lua_State *L = encoding->L;
  if (!lua_isinteger(L, -1)) {
    put_float(encoding, lua_tonumber(L, -1));
    return;
  }
  lua_Integer number = lua_tointeger(L, -1);
  char text[32], *end = text + sizeof text;
  char *start = digits_before(end, number < 0 ? 0 - (lua_Unsigned)number : (lua_Unsigned)number, 1);
  if (number < 0) *--start = '-';
  put(encoding, start, (size_t)(end - start));
}

/* May this character stand in a way as it is? */
static int is_plain(char c) {
  return (unsigned char)c >= 0x80 || isalnum((unsigned char)c) || (c && strchr("_-@$ ", c));
}

/* Append one step of the way to a secret: "name", ".name" or "[1]". */
static int add_step(struct buffer *out, const struct step *step, int is_first) {
  char index[32];
  if (!step->key.text) {
    snprintf(index, sizeof index, "[%lld]", (long long)step->index);
    return buffer_append_string(out, index);
  }
  int ok = buffer_append(out, ".", !is_first);
  for (size_t i = 0; i < step->key.length; i++)
    ok = ok && buffer_append(out, is_plain(step->key.text[i]) ? &step->key.text[i] : "?", 1);
  return ok;
}

/* Note where the secret at the top is, and keep a copy of it. [-0, +0, e] */
static void note_secret(struct encoding *encoding, const struct secret *secret) {
  lua_State *L = encoding->L;
  int ok = buffer_append(encoding->places, &"cvp"[secret->kind], 1);
  for (int i = 0; i < encoding->depth; i++) ok = ok && add_step(encoding->places, &encoding->path[i], i == 0);
  if (!ok || !buffer_append(encoding->places, "", 1)) lib_no_memory(L);
  secret_new(L, secret->kind, secret->bytes, secret->length);
  lua_rawseti(L, encoding->copies, (lua_Integer)lua_rawlen(L, encoding->copies) + 1);
}

static void put_secret(struct encoding *encoding) {
  const struct secret *secret = secret_test(encoding->L, -1);
  encoding->secrets++;
  if (secret && encoding->places) note_secret(encoding, secret);
  if (!secret)
    refuse(encoding, luaL_testudata(encoding->L, -1, SECRET) ? "secret is closed" : "it is a userdata");
  else if (encoding->lower)
    put_text(encoding, secret->bytes, secret->length);
  else
    put_string(encoding, "\"[secret]\"");
}

/* A new line at the present depth, in pretty text. */
static void put_line(struct encoding *encoding) {
  if (!encoding->pretty) return;
  put(encoding, "\n", 1);
  for (int i = 0; i < encoding->depth; i++) put(encoding, "  ", 2);
}

static struct step *enter(struct encoding *encoding) {
  if (encoding->depth == JSON_DEPTH) refuse(encoding, "it is nested deeper than 64 levels, or contains itself");
  luaL_checkstack(encoding->L, LUA_MINSTACK, "JSON"); /* reserve per level: a coroutine never shrinks its Lua stack */
  struct step *step = &encoding->path[encoding->depth++];
  *step = (struct step){0};
  return step;
}

/* How many entries the table at the top has. [-0, +0, -] */
static size_t entries(lua_State *L) {
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) count++;
  return count;
}

static void put_value(struct encoding *encoding);

static void put_array(struct encoding *encoding) {
  lua_State *L = encoding->L;
  lua_Integer length = (lua_Integer)lua_rawlen(L, -1);
  if (entries(L) != (size_t)length) refuse(encoding, "it is a list with holes or with names besides its elements");
  put(encoding, "[", 1);
  struct step *step = enter(encoding);
  for (step->index = 1; step->index <= length; step->index++) {
    if (step->index > 1) put(encoding, ",", 1);
    put_line(encoding);
    lua_rawgeti(L, -1, step->index);
    put_value(encoding);
    lua_pop(L, 1);
  }
  encoding->depth--;
  if (length > 0) put_line(encoding);
  put(encoding, "]", 1);
}

static int compare(const void *a, const void *b) {
  const struct member_key *left = a, *right = b;
  int order = memcmp(left->text, right->text, left->length < right->length ? left->length : right->length);
  return order ? order : (left->length > right->length) - (left->length < right->length);
}

/* Append the keys of the table at the top, sorted; returns how many. [-0, +0, e] */
static size_t collect_keys(struct encoding *encoding) {
  lua_State *L = encoding->L;
  size_t start = encoding->keys->length;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    struct member_key key;
    if (lua_type(L, -2) != LUA_TSTRING) refuse(encoding, "an object's names are strings, and it has another key");
    key.text = lua_tolstring(L, -2, &key.length);
    buffer_add(L, encoding->keys, &key, sizeof key);
  }
  size_t count = (encoding->keys->length - start) / sizeof(struct member_key);
  if (count) qsort(encoding->keys->data + start, count, sizeof(struct member_key), compare);
  return count;
}

/* One member of the table at the top. [-0, +0, e] */
static void put_member(struct encoding *encoding, struct member_key key) {
  lua_State *L = encoding->L;
  put_line(encoding);
  put_text(encoding, key.text, key.length);
  put_string(encoding, encoding->pretty ? ": " : ":");
  lua_pushlstring(L, key.text, key.length);
  lua_rawget(L, -2);
  put_value(encoding);
  lua_pop(L, 1);
}

static void put_object(struct encoding *encoding) {
  size_t start = encoding->keys->length, count = collect_keys(encoding);
  put(encoding, "{", 1);
  struct step *step = enter(encoding);
  for (size_t i = 0; i < count; i++) {
    memcpy(&step->key, encoding->keys->data + start + i * sizeof(struct member_key), sizeof(struct member_key));
    if (i > 0) put(encoding, ",", 1);
    put_member(encoding, step->key);
  }
  encoding->keys->length = start;
  encoding->depth--;
  if (count > 0) put_line(encoding);
  put(encoding, "}", 1);
}

/* The value at the top. [-0, +0, e] */
static void put_value(struct encoding *encoding) {
  lua_State *L = encoding->L;
  size_t length;
  switch (lua_type(L, -1)) {
  case LUA_TBOOLEAN:
    put_string(encoding, lua_toboolean(L, -1) ? "true" : "false");
    break;
  case LUA_TNUMBER:
    put_number(encoding);
    break;
  case LUA_TSTRING: {
    const char *text = lua_tolstring(L, -1, &length);
    put_text(encoding, text, length);
    break;
  }
  case LUA_TTABLE:
    if (json_is_array(L, -1))
      put_array(encoding);
    else
      put_object(encoding);
    break;
  case LUA_TUSERDATA:
    put_secret(encoding);
    break;
  default:
    if (!lua_islightuserdata(L, -1) || lua_touserdata(L, -1))
      refuse(encoding, lua_pushfstring(L, "it is a %s", luaL_typename(L, -1)));
    put_string(encoding, "null");
  }
}

static size_t encode(lua_State *L, int index, struct encoding encoding) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, LUA_MINSTACK, "JSON");
  encoding.L = L;
  encoding.keys = buffer_new(L);
  lua_pushvalue(L, index);
  put_value(&encoding);
  buffer_free(encoding.keys);
  lua_pop(L, 2);
  return encoding.secrets;
}

size_t json_encode(lua_State *L, int index, struct buffer *out, int lower) {
  return encode(L, index, (struct encoding){.out = out, .lower = lower});
}

void json_encode_body(lua_State *L, int index, struct buffer *out, struct buffer *places, int copies) {
  encode(L, index, (struct encoding){.out = out, .lower = 1, .places = places, .copies = lua_absindex(L, copies)});
}

void json_encode_pretty(lua_State *L, int index, struct buffer *out) {
  encode(L, index, (struct encoding){.out = out, .pretty = 1});
}
