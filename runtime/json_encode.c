/* Encode JSON. The same value gives the same text: keys are sorted by bytes.
 *
 * Tables are read raw and no Lua code runs meanwhile, so strings stay in place while keys point into them. The text
 * is written to a buffer that is wiped; no copy is kept.
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
  const char *text; /* points into the table's own string */
  size_t length;
};

/* One step of the path to the value that is being encoded. */
struct path_step {
  struct member_key key; /* key of an object's member; text is NULL for an element */
  lua_Integer index;     /* index of an array's element */
};

struct encoding {
  lua_State *L;
  struct buffer *out;
  struct buffer *keys; /* of struct member_key: the keys of all open objects, innermost last */
  int reveal, pretty;
  int depth;
  size_t secrets;        /* number of secrets so far */
  struct buffer *places; /* paths of the secrets, see json_encode_body; NULL: not requested */
  int copies;
  struct path_step path[JSON_DEPTH];
};

static void append_json(struct encoding *encoding, const char *text, size_t length) {
  if (!buffer_append(encoding->out, text, length)) lib_no_memory(encoding->L);
}

static void append_json_string(struct encoding *encoding, const char *text) {
  append_json(encoding, text, strlen(text));
}

/* Raise an error that names the value by its path. */
static int raise_encoding_error(struct encoding *encoding, const char *why) {
  lua_State *L = encoding->L;
  luaL_Buffer path;
  luaL_buffinit(L, &path);
  for (int i = 0; i < encoding->depth; i++) {
    const struct path_step *path_step = &encoding->path[i];
    char index[32];
    snprintf(index, sizeof index, "[%lld]", (long long)path_step->index);
    if (path_step->key.text && i > 0) luaL_addchar(&path, '.');
    if (path_step->key.text)
      luaL_addlstring(&path, path_step->key.text, path_step->key.length);
    else
      luaL_addstring(&path, index);
  }
  if (!encoding->depth) luaL_addstring(&path, "the value");
  luaL_pushresult(&path);
  return luaL_error(L, "%s cannot be written as JSON: %s", lua_tostring(L, -1), why);
}

/* Must a text for a person escape this character beyond ASCII? These characters control a terminal (C1 controls) or
 * set the reading direction (UAX #9); escaped, JSON keeps them as data. */
static int json_escapes_for_terminal(unsigned code) {
  return (code >= 0x80 && code < 0xa0) || code == 0x61c || code == 0x200e || code == 0x200f || code == 0x2028 ||
         code == 0x2029 || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static void encode_escape(struct encoding *encoding, unsigned c) {
  static const char letters[] = "\"\\bfnrt", values[] = "\"\\\b\f\n\r\t";
  const char *value = c < 0x80 ? memchr(values, (int)c, sizeof values - 1) : NULL;
  char escape[8] = {'\\', value ? letters[value - values] : 0, 0};
  if (!value) snprintf(escape, sizeof escape, "\\u%04x", c);
  append_json_string(encoding, escape);
}

/* Is it an ASCII character that has to be escaped: by JSON or, for DEL, in a text for a person? */
static int needs_ascii_escape(unsigned c, int reveal) {
  return c < 0x20 || c == '"' || c == '\\' || (c == 0x7f && !reveal);
}

/* Return the code point of a well-formed character of two or three bytes; 0 for a longer one. */
static unsigned decode_code_point(const unsigned char *at, size_t size) {
  if (size == 2) return (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu);
  return size == 3 ? (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu) : 0;
}

/* Encode a string; runs that need no escape are copied at once. */
static void encode_string(struct encoding *encoding, const char *text, size_t length) {
  const unsigned char *bytes = (const unsigned char *)text;
  size_t written = 0;
  append_json(encoding, "\"", 1);
  for (size_t i = 0, size; i < length; i += size) {
    size = bytes[i] < 0x80 ? 1 : utf8_size((const char *)bytes + i, length - i);
    if (!size) raise_encoding_error(encoding, "it is not UTF-8");
    unsigned code = size > 1 && !encoding->reveal ? decode_code_point(bytes + i, size) : bytes[i];
    if (size == 1 ? !needs_ascii_escape(code, encoding->reveal) : encoding->reveal || !json_escapes_for_terminal(code))
      continue;
    append_json(encoding, text + written, i - written);
    encode_escape(encoding, code);
    written = i + size;
  }
  append_json(encoding, text + written, length - written);
  append_json(encoding, "\"", 1);
}

/* Write the digits of a number before end, at least `least` of them; returns where they begin. */
static char *write_digits_before(char *end, unsigned long long number, int least) {
  for (; number > 0 || least > 0; number /= 10, least--) *--end = (char)('0' + number % 10);
  return end;
}

/* Encode a number with at most six decimal places, such as a time, as encode_float does, in a tenth of its time; 0
 * for any other number. Below 4e9 two such numbers are never the same double. */
static int encode_decimal(struct encoding *encoding, lua_Number number) {
  char text[32], *end = text + sizeof text;
  double size = fabs(number), scaled = rint(size * 1e6);
  if (!(size >= 1e-4 && size < 4e9) || scaled / 1e6 != size) return 0;
  unsigned long long integer_part = (unsigned long long)scaled / 1000000,
                     decimals = (unsigned long long)scaled % 1000000;
  int count = 6;
  for (; count > 0 && decimals % 10 == 0; count--) decimals /= 10;
  char *start = write_digits_before(end, decimals, count);
  if (count) *--start = '.';
  start = write_digits_before(start, integer_part, 1);
  if (number < 0) *--start = '-';
  append_json(encoding, start, (size_t)(end - start));
  return 1;
}

/* Encode a float as the shortest text that reads back as the same number. */
static void encode_float(struct encoding *encoding, lua_Number number) {
  char text[40];
  if (encode_decimal(encoding, number)) return;
  if (!isfinite(number)) raise_encoding_error(encoding, "it is not a finite number");
  for (int digits = 15; digits <= 17; digits++) {
    snprintf(text, sizeof text, "%.*g", digits, number);
    if (strtod(text, NULL) == number) break;
  }
  append_json_string(encoding, text);
}

static void encode_number(struct encoding *encoding) {
  lua_State *L = encoding->L;
  if (!lua_isinteger(L, -1)) {
    encode_float(encoding, lua_tonumber(L, -1));
    return;
  }
  lua_Integer number = lua_tointeger(L, -1);
  char text[32], *end = text + sizeof text;
  char *start = write_digits_before(end, number < 0 ? 0 - (lua_Unsigned)number : (lua_Unsigned)number, 1);
  if (number < 0) *--start = '-';
  append_json(encoding, start, (size_t)(end - start));
}

/* May this character of a name be written to a path as it is? */
static int is_path_character(char c) {
  return (unsigned char)c >= 0x80 || isalnum((unsigned char)c) || (c && strchr("_-@$ ", c));
}

/* Append one step of a path to out: "name", ".name" or "[1]". */
static int append_path_step(struct buffer *out, const struct path_step *path_step, int is_first) {
  char index[32];
  if (!path_step->key.text) {
    snprintf(index, sizeof index, "[%lld]", (long long)path_step->index);
    return buffer_append_string(out, index);
  }
  int ok = buffer_append(out, ".", !is_first);
  for (size_t i = 0; i < path_step->key.length; i++)
    ok = ok && buffer_append(out, is_path_character(path_step->key.text[i]) ? &path_step->key.text[i] : "?", 1);
  return ok;
}

/* Append the path of the secret on top, and a copy of the secret, for json_encode_body. [-0, +0, e] */
static void record_secret_place(struct encoding *encoding, const struct secret *secret) {
  lua_State *L = encoding->L;
  int ok = buffer_append(encoding->places, &"cvp"[secret->kind], 1);
  for (int i = 0; i < encoding->depth; i++) ok = ok && append_path_step(encoding->places, &encoding->path[i], i == 0);
  if (!ok || !buffer_append(encoding->places, "", 1)) lib_no_memory(L);
  secret_new(L, secret->kind, secret->bytes, secret->length);
  lua_rawseti(L, encoding->copies, (lua_Integer)lua_rawlen(L, encoding->copies) + 1);
}

static void encode_secret(struct encoding *encoding) {
  const struct secret *secret = secret_test(encoding->L, -1);
  encoding->secrets++;
  if (secret && encoding->places) record_secret_place(encoding, secret);
  if (!secret)
    raise_encoding_error(encoding, luaL_testudata(encoding->L, -1, SECRET) ? "secret is closed" : "it is a userdata");
  else if (encoding->reveal)
    encode_string(encoding, secret->bytes, secret->length);
  else
    append_json_string(encoding, "\"[secret]\"");
}

/* Begin a new line at the current depth, in pretty text. */
static void begin_pretty_line(struct encoding *encoding) {
  if (!encoding->pretty) return;
  append_json(encoding, "\n", 1);
  for (int i = 0; i < encoding->depth; i++) append_json(encoding, "  ", 2);
}

/* Enter a deeper level; returns its step of the path. */
static struct path_step *enter_encoding_level(struct encoding *encoding) {
  if (encoding->depth == JSON_DEPTH)
    raise_encoding_error(encoding, "it is nested deeper than 64 levels, or contains itself");
  luaL_checkstack(encoding->L, LUA_MINSTACK,
                  "JSON"); /* per level and not at once: a coroutine never shrinks its Lua stack */
  struct path_step *path_step = &encoding->path[encoding->depth++];
  *path_step = (struct path_step){0};
  return path_step;
}

/* Return the number of entries of the table on top. [-0, +0, -] */
static size_t count_table_entries(lua_State *L) {
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) count++;
  return count;
}

static void encode_value(struct encoding *encoding);

static void encode_array(struct encoding *encoding) {
  lua_State *L = encoding->L;
  lua_Integer length = (lua_Integer)lua_rawlen(L, -1);
  if (count_table_entries(L) != (size_t)length)
    raise_encoding_error(encoding, "it is a list with a hole, or with a key that is not an index");
  append_json(encoding, "[", 1);
  struct path_step *path_step = enter_encoding_level(encoding);
  for (path_step->index = 1; path_step->index <= length; path_step->index++) {
    if (path_step->index > 1) append_json(encoding, ",", 1);
    begin_pretty_line(encoding);
    lua_rawgeti(L, -1, path_step->index);
    encode_value(encoding);
    lua_pop(L, 1);
  }
  encoding->depth--;
  if (length > 0) begin_pretty_line(encoding);
  append_json(encoding, "]", 1);
}

static int compare_member_keys(const void *a, const void *b) {
  const struct member_key *left = a, *right = b;
  int order = memcmp(left->text, right->text, left->length < right->length ? left->length : right->length);
  return order ? order : (left->length > right->length) - (left->length < right->length);
}

/* Append the keys of the table on top, sorted, to the list of keys; returns their number. [-0, +0, e] */
static size_t collect_keys(struct encoding *encoding) {
  lua_State *L = encoding->L;
  size_t start = encoding->keys->length;
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    struct member_key key;
    if (lua_type(L, -2) != LUA_TSTRING)
      raise_encoding_error(encoding, "it is an object, and one of its keys is not a string");
    key.text = lua_tolstring(L, -2, &key.length);
    buffer_add(L, encoding->keys, &key, sizeof key);
  }
  size_t count = (encoding->keys->length - start) / sizeof(struct member_key);
  if (count) qsort(encoding->keys->data + start, count, sizeof(struct member_key), compare_member_keys);
  return count;
}

/* Encode one member of the table on top. [-0, +0, e] */
static void encode_member(struct encoding *encoding, struct member_key key) {
  lua_State *L = encoding->L;
  begin_pretty_line(encoding);
  encode_string(encoding, key.text, key.length);
  append_json_string(encoding, encoding->pretty ? ": " : ":");
  lua_pushlstring(L, key.text, key.length);
  lua_rawget(L, -2);
  encode_value(encoding);
  lua_pop(L, 1);
}

static void encode_object(struct encoding *encoding) {
  size_t start = encoding->keys->length, count = collect_keys(encoding);
  append_json(encoding, "{", 1);
  struct path_step *path_step = enter_encoding_level(encoding);
  for (size_t i = 0; i < count; i++) {
    memcpy(&path_step->key, encoding->keys->data + start + i * sizeof(struct member_key), sizeof(struct member_key));
    if (i > 0) append_json(encoding, ",", 1);
    encode_member(encoding, path_step->key);
  }
  encoding->keys->length = start;
  encoding->depth--;
  if (count > 0) begin_pretty_line(encoding);
  append_json(encoding, "}", 1);
}

/* Encode the value on top. [-0, +0, e] */
static void encode_value(struct encoding *encoding) {
  lua_State *L = encoding->L;
  size_t length;
  switch (lua_type(L, -1)) {
  case LUA_TBOOLEAN:
    append_json_string(encoding, lua_toboolean(L, -1) ? "true" : "false");
    break;
  case LUA_TNUMBER:
    encode_number(encoding);
    break;
  case LUA_TSTRING: {
    const char *text = lua_tolstring(L, -1, &length);
    encode_string(encoding, text, length);
    break;
  }
  case LUA_TTABLE:
    if (json_array_check(L, -1))
      encode_array(encoding);
    else
      encode_object(encoding);
    break;
  case LUA_TUSERDATA:
    encode_secret(encoding);
    break;
  default:
    if (!lua_islightuserdata(L, -1) || lua_touserdata(L, -1))
      raise_encoding_error(encoding, lua_pushfstring(L, "it is a %s", luaL_typename(L, -1)));
    append_json_string(encoding, "null");
  }
}

static size_t encode_at(lua_State *L, int index, struct encoding encoding) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, LUA_MINSTACK, "JSON");
  encoding.L = L;
  encoding.keys = buffer_new(L);
  lua_pushvalue(L, index);
  encode_value(&encoding);
  buffer_free(encoding.keys);
  lua_pop(L, 2);
  return encoding.secrets;
}

size_t json_encode(lua_State *L, int index, struct buffer *out, int reveal) {
  return encode_at(L, index, (struct encoding){.out = out, .reveal = reveal});
}

void json_encode_body(lua_State *L, int index, struct buffer *out, struct buffer *places, int copies) {
  encode_at(L, index, (struct encoding){.out = out, .reveal = 1, .places = places, .copies = lua_absindex(L, copies)});
}

void json_encode_pretty(lua_State *L, int index, struct buffer *out) {
  encode_at(L, index, (struct encoding){.out = out, .pretty = 1});
}
