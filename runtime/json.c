/* host.json: strict decoding and deterministic encoding.
 *
 * lua-cjson 2.1.0 accepts texts that are not JSON, keeps the last of two members of one name, makes {} of [], has
 * only floats, leaves copies of secrets in Lua strings, and has no option against any of these. So decoding takes
 * three steps:
 *
 * 1. json_scan.c checks the text, and lists each spot that cjson would decode wrongly, with the path to it;
 * 2. cjson builds the tables; it gets "" instead of each secret, so it makes no copy of one;
 * 3. the spots are corrected in the tables, in the order of the text: arrays get their metatable, integers and
 * secrets are assigned. Tables without spots, which are most objects, are not visited again.
 *
 * Encoding is in json_encode.c, and writes straight into a buffer that is wiped: cjson does not sort keys, and keeps
 * copies.
 */
#include "json.h"

#include "json_internal.h"
#include "secret.h"

#include <lua-cjson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_MAX_BYTES = 4 << 20 };
enum { INTEGER_SIZE = 20 };                  /* length of the longest integer of 64 bits */
#define MAX_EXACT_INTEGER 9007199254740992.0 /* 2^53: a larger float may stand for another integer */

static const char cjson_decode_key;

/* The state of one call of json_decode. */
struct decoding {
  lua_State *L;
  struct json_scan scan;
  const struct json_spot *spots;
  size_t spot_count;
  int secrets;         /* stack index of the table of secrets, by number of spot */
  int array_metatable; /* stack index of the metatable of arrays */
  int sent;            /* stack index of the list of sent secrets; 0 for none */
  int string;          /* stack index of the text as a Lua string; 0 for none */
};

/* Push the decode function of our own instance of cjson. [-0, +1, m] */
static void push_cjson_decode(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &cjson_decode_key) != LUA_TNIL) return;
  lua_pop(L, 1);
  lua_pushcfunction(L, luaopen_cjson);
  lua_call(L, 0, 1);
  lua_getfield(L, -1, "encode_keep_buffer"); /* of our own instance */
  lua_pushboolean(L, 0);
  lua_call(L, 1, 0);
  lua_getfield(L, -1, "decode");
  lua_remove(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &cjson_decode_key);
}

/* When spot i is a secret: decode its string to a secret, on the secure heap, and store it in the table of secrets.
 * [-0, +0, e] */
static void store_spot_secret(struct decoding *decoding, size_t i) {
  lua_State *L = decoding->L;
  const struct json_spot *spot = &decoding->spots[i];
  if (spot->kind != SPOT_SECRET) return;
  const char *text = (const char *)decoding->scan.text + spot->start + 1;
  size_t length = spot->end - spot->start - 2;
  struct secret *secret = secret_reserve(L, (enum secret_kind)spot->secret, length);
  secret->length = json_unescape(text, length, secret->bytes);
  secret_register(L);
  lua_rawseti(L, decoding->secrets, (lua_Integer)i + 1);
}

static int is_string_spot(const struct json_spot *spot) {
  return spot->kind == SPOT_SECRET || spot->kind == SPOT_TEXT;
}

/* Push the text with "" for each string that is a spot. [-0, +1, e] */
static void push_text_without_strings(struct decoding *decoding) {
  lua_State *L = decoding->L;
  const char *text = (const char *)decoding->scan.text;
  size_t copied = 0, filled = 0;
  luaL_Buffer buffer;
  char *out = luaL_buffinitsize(L, &buffer, decoding->scan.length);
  for (size_t i = 0; i < decoding->spot_count; i++) {
    const struct json_spot *spot = &decoding->spots[i];
    if (!is_string_spot(spot)) continue;
    size_t copied_length = spot->start + 1 - copied;
    memcpy(out + filled, text + copied, copied_length);
    filled += copied_length;
    copied = spot->end - 1;
  }
  memcpy(out + filled, text + copied, decoding->scan.length - copied);
  luaL_pushresultsize(&buffer, filled + decoding->scan.length - copied);
}

/* Push the sent secret that equals this text and return 1; or push nothing and return 0. [-0, +1|+0, e] */
static int push_sent_secret(struct decoding *decoding, const struct buffer *text) {
  lua_State *L = decoding->L;
  for (lua_Integer i = 1; lua_rawgeti(L, decoding->sent, i) != LUA_TNIL; i++) {
    const struct secret *sent = secret_test(L, -1);
    lua_pop(L, 1);
    if (!sent || sent->length != text->length || memcmp(sent->bytes, text->data, text->length) != 0) continue;
    secret_new(L, sent->kind, sent->bytes, sent->length);
    return 1;
  }
  lua_pop(L, 1);
  return 0;
}

/* Push a buffer with the text from start to end, its escapes decoded. [-0, +1, e] */
static struct buffer *push_json_unescaped(lua_State *L, const struct json_scan *scan, size_t start, size_t end) {
  struct buffer *unescaped = buffer_new(L);
  if (!buffer_append(unescaped, scan->text + start, end - start) || !buffer_append(unescaped, "", 1)) lib_no_memory(L);
  unescaped->length = json_unescape((const char *)scan->text + start, end - start, unescaped->data);
  return unescaped;
}

/* Push the string at the spot: as a secret when it equals a sent one, else with secrets redacted. [-0, +1, e] */
static void push_spot_text(struct decoding *decoding, const struct json_spot *spot) {
  lua_State *L = decoding->L;
  struct buffer *text = push_json_unescaped(L, &decoding->scan, spot->start + 1, spot->end - 1);
  if (!push_sent_secret(decoding, text)) secret_redact(L, text->data, text->length);
  buffer_free(text);
  lua_remove(L, -2);
}

/* Replace the number on top of the stack by an integer when it is whole. */
static void make_json_integer(lua_State *L) {
  lua_Number number = lua_tonumber(L, -1);
  if (!(fabs(number) <= MAX_EXACT_INTEGER) || (lua_Number)(lua_Integer)number != number) return;
  lua_pop(L, 1);
  lua_pushinteger(L, (lua_Integer)number);
}

static void push_spot_integer(struct decoding *decoding, const struct json_spot *spot) {
  char digits[INTEGER_SIZE + 1] = {0};
  memcpy(digits, decoding->scan.text + spot->start, spot->end - spot->start);
  lua_pushinteger(decoding->L, strtoll(digits, NULL, 10));
}

/* Push the key of a spot in its table. [-0, +1, e] */
static void push_spot_key(struct decoding *decoding, const struct json_spot *spot) {
  lua_State *L = decoding->L;
  const char *name = (const char *)decoding->scan.text + spot->key.start;
  size_t length = spot->key.end - spot->key.start;
  luaL_Buffer unescaped;
  if (!spot->key.end)
    lua_pushinteger(L, spot->key.start);
  else if (!spot->key_has_escapes)
    lua_pushlstring(L, name, length);
  else
    luaL_pushresultsize(&unescaped, json_unescape(name, length, luaL_buffinitsize(L, &unescaped, length)));
}

/* Push the correct value of spot i; its key is on top of the stack, its table below. [-0, +1, e] */
static void push_spot_value(struct decoding *decoding, size_t i) {
  lua_State *L = decoding->L;
  switch (decoding->spots[i].kind) {
  case SPOT_INTEGER:
    push_spot_integer(decoding, &decoding->spots[i]);
    break;
  case SPOT_NUMBER:
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    make_json_integer(L);
    break;
  case SPOT_TEXT:
    push_spot_text(decoding, &decoding->spots[i]);
    break;
  default:
    lua_rawgeti(L, decoding->secrets, (lua_Integer)i + 1);
  }
}

/* Correct all spots in the table on top of the stack, whose only element is the decoded value. The tables around a
 * spot are on the stack: the one at depth n is n places above that table. [-0, +0, e] */
static void correct_spots(struct decoding *decoding) {
  lua_State *L = decoding->L;
  int root = lua_gettop(L);
  for (size_t i = 0; i < decoding->spot_count; i++) {
    const struct json_spot *spot = &decoding->spots[i];
    lua_settop(L, root + (int)spot->depth);
    push_spot_key(decoding, spot);
    if (spot->kind > SPOT_ARRAY) {
      push_spot_value(decoding, i);
      lua_rawset(L, -3);
      continue;
    }
    if (lua_rawget(L, -2) != LUA_TTABLE) luaL_error(L, "lua-cjson made no table of an array or object");
    if (spot->kind != SPOT_ARRAY) continue;
    lua_pushvalue(L, decoding->array_metatable);
    lua_setmetatable(L, -2);
  }
  lua_settop(L, root);
}

/* Push the message about the place where the scanner stopped; returns 0. [-0, +1, m] */
static int push_scan_problem(lua_State *L, const struct json_scan *scan) {
  if (!scan->expected) return lib_no_memory(L);
  if (scan->at >= scan->length)
    lua_pushfstring(L, "JSON ends after %I bytes, expected %s", (lua_Integer)scan->length, scan->expected);
  else
    lua_pushfstring(L, "JSON is wrong at byte %I, expected %s", (lua_Integer)scan->at + 1, scan->expected);
  return 0;
}

/* Push one string of the object's number and the decoded name. [-0, +1, m] */
static void push_object_and_name(lua_State *L, const struct json_scan *scan, const struct json_name *name) {
  luaL_Buffer out;
  size_t length = name->end - name->start;
  char *buffer = luaL_buffinitsize(L, &out, sizeof name->object + length);
  memcpy(buffer, &name->object, sizeof name->object);
  length = json_unescape((const char *)scan->text + name->start, length, buffer + sizeof name->object);
  luaL_pushresultsize(&out, sizeof name->object + length);
}

/* Has an object a member name twice? Then push the message that says where. [-0, +1|+0, m] */
static int push_repeated_name_problem(lua_State *L, const struct json_scan *scan) {
  struct json_scan again = {.text = scan->text, .length = scan->length, .spots = buffer_new(L), .names = buffer_new(L)};
  int top = lua_gettop(L), is_repeated = 0;
  if (!json_scan(&again)) return push_scan_problem(L, &again) == 0;
  const struct json_name *names = (const void *)again.names->data;
  size_t i = 0;
  lua_newtable(L);
  for (; !is_repeated && i < again.members; i++) {
    push_object_and_name(L, &again, &names[i]);
    lua_pushvalue(L, -1);
    is_repeated = lua_rawget(L, -3) != LUA_TNIL;
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  if (is_repeated) again.at = names[i - 1].start - 1;
  again.expected = "each member of an object only once";
  buffer_free(again.spots);
  buffer_free(again.names);
  lua_settop(L, top - 2);
  if (is_repeated) push_scan_problem(L, &again);
  return is_repeated;
}

/* Is a secret in a member's name? The answer of a server that hides a sent secret there is refused. [-0, +0, e] */
static int has_secret_in_name(lua_State *L, const struct json_scan *scan) {
  const struct json_name *names = (const void *)scan->names->data;
  int found = 0;
  for (size_t i = 0; i < scan->members && !found; i++) {
    struct buffer *name = push_json_unescaped(L, scan, names[i].start, names[i].end);
    found = secret_redact_finds(L, name->data, name->length);
    buffer_free(name);
    lua_pop(L, 1);
  }
  return found;
}

/* Push the value that cjson decodes, with all spots corrected. [-0, +1, e] */
static void push_corrected_value(struct decoding *decoding) {
  lua_State *L = decoding->L;
  luaL_checkstack(L, (int)decoding->scan.deepest + LUA_MINSTACK, "JSON");
  decoding->spots = (const void *)decoding->scan.spots->data;
  decoding->spot_count = decoding->scan.spots->length / sizeof(struct json_spot);
  json_array_push_metatable(L);
  decoding->array_metatable = lua_gettop(L);
  lua_newtable(L);
  decoding->secrets = lua_gettop(L);
  int has_string_spot = 0;
  for (size_t i = 0; i < decoding->spot_count; i++) {
    store_spot_secret(decoding, i);
    has_string_spot |= is_string_spot(&decoding->spots[i]);
  }
  lua_createtable(L, 1, 0);
  push_cjson_decode(L);
  if (has_string_spot)
    push_text_without_strings(decoding);
  else if (decoding->string)
    lua_pushvalue(L, decoding->string);
  else
    lua_pushlstring(L, (const char *)decoding->scan.text, decoding->scan.length);
  lua_call(L, 1, 1);
  lua_rawseti(L, -2, 1);
  correct_spots(decoding);
  lua_rawgeti(L, -1, 1);
}

/* Has the secure heap no room for the secrets of the text? Then push the message. [-0, +1|+0, m] */
static int push_too_many_secrets_problem(lua_State *L, const struct json_scan *scan) {
  const struct json_spot *spots = (const void *)scan->spots->data;
  size_t count = 0, size = 0;
  for (size_t i = 0; i < scan->spots->length / sizeof *spots; i++) {
    if (spots[i].kind != SPOT_SECRET) continue;
    size += secret_block_size(spots[i].end - spots[i].start - 2);
    count++;
  }
  if (count == 0 || secret_has_room(L, size)) return 0;
  lua_pushfstring(L, "JSON has %I texts that are secrets, more than there is room for", (lua_Integer)count);
  return 1;
}

static int decode_scanned_json(struct decoding *decoding) {
  lua_State *L = decoding->L;
  if (!json_scan(&decoding->scan)) return push_scan_problem(L, &decoding->scan);
  if (push_too_many_secrets_problem(L, &decoding->scan)) return 0;
  if (decoding->sent && has_secret_in_name(L, &decoding->scan)) {
    lua_pushliteral(L, "JSON has a secret in a member's name");
    return 0;
  }
  if (decoding->scan.repeats && push_repeated_name_problem(L, &decoding->scan)) return 0;
  push_corrected_value(decoding);
  return 1;
}

int json_decode(lua_State *L, const char *text, size_t length, const struct json_rules *rules) {
  size_t limit = rules && rules->max_bytes ? rules->max_bytes : DEFAULT_MAX_BYTES;
  if (length > limit) {
    lua_pushfstring(L, "JSON has %I bytes, more than the limit of %I", (lua_Integer)length, (lua_Integer)limit);
    return 0;
  }
  int top = lua_gettop(L);
  struct decoding decoding = {.L = L};
  decoding.scan.text = (const unsigned char *)text;
  decoding.scan.length = length;
  decoding.scan.uses = NAMED_IN_JSON | (rules ? rules->uses : 0);
  decoding.scan.more_names = rules ? rules->secrets : NULL;
  decoding.scan.places = rules ? rules->places : NULL;
  decoding.sent = rules ? rules->sent : 0;
  decoding.string = rules ? rules->string : 0;
  decoding.scan.all_strings = decoding.sent != 0;
  decoding.scan.spots = buffer_borrow(L);
  if (decoding.sent) decoding.scan.names = buffer_new(L);
  int ok = decode_scanned_json(&decoding);
  buffer_give_back(L, top + 1);
  lua_copy(L, -1, top + 1);
  lua_settop(L, top + 1);
  return ok;
}

/* Push memory for the names of the list at index, which has to outlive it, and return the names. [-0, +1, e] */
static const char *const *check_json_secret_names(lua_State *L, int index) {
  if (lua_isnoneornil(L, index)) return NULL;
  luaL_checktype(L, index, LUA_TTABLE);
  size_t count = lua_rawlen(L, index);
  const char **names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 0);
  for (size_t i = 0; i < count; i++) {
    int is_name = lua_rawgeti(L, index, (lua_Integer)i + 1) == LUA_TSTRING;
    luaL_argcheck(L, is_name && lua_rawlen(L, -1) <= 128, index, "a list of names of at most 128 bytes is expected");
    names[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  names[count] = NULL;
  return names;
}

/* json.decode(text, secrets?) -> value | nil, message */
static int json_decode_lua(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_settop(L, 2);
  struct json_rules rules = {.secrets = check_json_secret_names(L, 2), .string = 1};
  if (json_decode(L, text, length, &rules)) return 1;
  return lib_fail(L, "%s", lua_tostring(L, -1));
}

/* json.encode(value, pretty?) -> text */
static int json_encode_lua(lua_State *L) {
  luaL_checkany(L, 1);
  int pretty = lua_toboolean(L, 2);
  struct buffer *out = buffer_new(L);
  if (pretty)
    json_encode_pretty(L, 1, out);
  else
    json_encode(L, 1, out, 0);
  lua_pushlstring(L, out->data, out->length);
  buffer_free(out);
  return 1;
}

/* json.array(list?) -> list */
static int json_array(lua_State *L) {
  if (lua_isnoneornil(L, 1))
    lua_newtable(L);
  else
    luaL_checktype(L, 1, LUA_TTABLE);
  int other = lua_getmetatable(L, -1) && !json_array_check(L, -2);
  luaL_argcheck(L, !other, 1, "a table without another metatable is expected");
  lua_settop(L, 1);
  json_array_mark(L);
  return 1;
}

/* json.is_array(value) -> boolean */
static int json_is_array(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, json_array_check(L, 1));
  return 1;
}

static const luaL_Reg functions[] = {{"decode", json_decode_lua},
                                     {"encode", json_encode_lua},
                                     {"array", json_array},
                                     {"is_array", json_is_array},
                                     {NULL, NULL}};

int luaopen_host_json(lua_State *L);
int luaopen_host_json(lua_State *L) {
  luaL_newlib(L, functions);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  return 1;
}
