/* host.json: strict decoding and deterministic encoding.
 *
 * lua-cjson is the decoder that was asked for. Version 2.1.0 takes what is not
 * JSON, keeps the last of two members of one name, makes {} of [], has floats
 * only and leaves copies of secrets in Lua strings, and has no option against any
 * of these. So three steps are the least:
 *
 *  1. json_scan.c checks the text, and notes each spot that cjson would spoil, with
 *     the way to it;
 *  2. cjson builds the tables. Instead of a secret it sees "", and so leaves no copy;
 *  3. the spots are corrected in the tables, in the order of the text: arrays get
 *     their mark, integers and secrets take their places. What has no spot in it,
 *     as most objects, is not looked at again.
 *
 * Encoding is json_encode.c's, from the value straight into a buffer that is
 * wiped: cjson sorts nothing and keeps copies.
 */
#include "json.h"

#include "json_internal.h"
#include "secret.h"

#include <lua-cjson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 4 << 20 };
enum { INTEGER_SIZE = 20 };      /* bytes of the longest integer of 64 bits */
#define EXACT 9007199254740992.0 /* 2^53: beyond it a float may stand for another number */

static const char decoder_key;

/* One decode. */
struct decoding {
  lua_State *L;
  struct json_scan scan;
  const struct json_spot *spots;
  size_t spot_count;
  int secrets; /* index of the table of lifted secrets */
  int mark;    /* index of the metatable of arrays */
  int sent;    /* index of the list of secrets to look for; 0 for none */
};

/* Push cjson's decode with a configuration of our own. [-0, +1, m] */
static void push_decoder(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &decoder_key) != LUA_TNIL) return;
  lua_pop(L, 1);
  lua_pushcfunction(L, luaopen_cjson);
  lua_call(L, 0, 1);
  lua_getfield(L, -1, "encode_keep_buffer"); /* of this instance, which nobody else has */
  lua_pushboolean(L, 0);
  lua_call(L, 1, 0);
  lua_getfield(L, -1, "decode");
  lua_remove(L, -2);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &decoder_key);
}

/* Keep the string at spot number i as a secret. Its escapes are undone on the
 * secure heap. [-0, +0, e] */
static void lift(struct decoding *decoding, size_t i) {
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

static int is_string(const struct json_spot *spot) {
  return spot->kind == SPOT_SECRET || spot->kind == SPOT_TEXT;
}

/* Push the text with "" for each string that is a spot. [-0, +1, e] */
static void push_replaced(struct decoding *decoding) {
  lua_State *L = decoding->L;
  const char *text = (const char *)decoding->scan.text;
  size_t copied = 0, filled = 0;
  luaL_Buffer room;
  char *out = luaL_buffinitsize(L, &room, decoding->scan.length);
  for (size_t i = 0; i < decoding->spot_count; i++) {
    const struct json_spot *spot = &decoding->spots[i];
    if (!is_string(spot)) continue;
    size_t plain = spot->start + 1 - copied;
    memcpy(out + filled, text + copied, plain);
    filled += plain;
    copied = spot->end - 1;
  }
  memcpy(out + filled, text + copied, decoding->scan.length - copied);
  luaL_pushresultsize(&room, filled + decoding->scan.length - copied);
}

/* Push the secret of the sent ones that has these bytes, and return 1; or push nothing. [-0, +1|+0, e] */
static int push_sent(struct decoding *decoding, const struct buffer *text) {
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

/* Push a scratch buffer with the bytes of the text from start to end, its escapes undone. [-0, +1, e] */
static struct buffer *push_plain(lua_State *L, const struct json_scan *scan, size_t start, size_t end) {
  struct buffer *plain = buffer_new(L);
  if (!buffer_append(plain, scan->text + start, end - start) || !buffer_append(plain, "", 1)) lib_no_memory(L);
  plain->length = json_unescape((const char *)scan->text + start, end - start, plain->data);
  return plain;
}

/* Push the string at the spot: a secret when it was sent, else its text with secrets redacted. [-0, +1, e] */
static void push_text(struct decoding *decoding, const struct json_spot *spot) {
  lua_State *L = decoding->L;
  struct buffer *plain = push_plain(L, &decoding->scan, spot->start + 1, spot->end - 1);
  if (!push_sent(decoding, plain)) secret_redact(L, plain->data, plain->length);
  buffer_free(plain);
  lua_remove(L, -2);
}

/* Turn the number at the top into an integer when it is whole. */
static void make_whole(lua_State *L) {
  lua_Number number = lua_tonumber(L, -1);
  if (!(fabs(number) <= EXACT) || (lua_Number)(lua_Integer)number != number) return;
  lua_pop(L, 1);
  lua_pushinteger(L, (lua_Integer)number);
}

static void push_integer(struct decoding *decoding, const struct json_spot *spot) {
  char digits[INTEGER_SIZE + 1] = {0};
  memcpy(digits, decoding->scan.text + spot->start, spot->end - spot->start);
  lua_pushinteger(decoding->L, strtoll(digits, NULL, 10));
}

/* Push the key of a spot. [-0, +1, e] */
static void push_key(struct decoding *decoding, const struct json_spot *spot) {
  lua_State *L = decoding->L;
  const char *name = (const char *)decoding->scan.text + spot->key.start;
  size_t length = spot->key.end - spot->key.start;
  luaL_Buffer plain;
  if (!spot->key.end)
    lua_pushinteger(L, spot->key.start);
  else if (!spot->escaped)
    lua_pushlstring(L, name, length);
  else
    luaL_pushresultsize(&plain, json_unescape(name, length, luaL_buffinitsize(L, &plain, length)));
}

/* Push the right value for spot number i, whose key is at the top and its table below. [-0, +1, e] */
static void push_value(struct decoding *decoding, size_t i) {
  lua_State *L = decoding->L;
  switch (decoding->spots[i].kind) {
  case SPOT_INTEGER:
    push_integer(decoding, &decoding->spots[i]);
    break;
  case SPOT_NUMBER:
    lua_pushvalue(L, -1);
    lua_rawget(L, -3);
    make_whole(L);
    break;
  case SPOT_TEXT:
    push_text(decoding, &decoding->spots[i]);
    break;
  default:
    lua_rawgeti(L, decoding->secrets, (lua_Integer)i + 1);
  }
}

/* Correct all spots, in the table at the top whose one element is the whole value. The tables on the way to a spot are
 * on the stack: the one at depth n is n places above that table. [-0, +0, e] */
static void correct(struct decoding *decoding) {
  lua_State *L = decoding->L;
  int around = lua_gettop(L);
  for (size_t i = 0; i < decoding->spot_count; i++) {
    const struct json_spot *spot = &decoding->spots[i];
    lua_settop(L, around + (int)spot->depth);
    push_key(decoding, spot);
    if (spot->kind > SPOT_ARRAY) {
      push_value(decoding, i);
      lua_rawset(L, -3);
      continue;
    }
    if (lua_rawget(L, -2) != LUA_TTABLE) luaL_error(L, "lua-cjson made no table of an array or object");
    if (spot->kind != SPOT_ARRAY) continue;
    lua_pushvalue(L, decoding->mark);
    lua_setmetatable(L, -2);
  }
  lua_settop(L, around);
}

/* Push a message about where the scanner stopped. [-0, +1, m] */
static int push_problem(lua_State *L, const struct json_scan *scan) {
  if (!scan->expected) return lib_no_memory(L);
  if (scan->at >= scan->length)
    lua_pushfstring(L, "JSON ends after %I bytes, expected %s", (lua_Integer)scan->length, scan->expected);
  else
    lua_pushfstring(L, "JSON is wrong at byte %I, expected %s", (lua_Integer)scan->at + 1, scan->expected);
  return 0;
}

/* Push the object's number and the name without escapes, as one string. [-0, +1, m] */
static void push_name(lua_State *L, const struct json_scan *scan, const struct json_name *name) {
  luaL_Buffer out;
  size_t length = name->end - name->start;
  char *room = luaL_buffinitsize(L, &out, sizeof name->object + length);
  memcpy(room, &name->object, sizeof name->object);
  length = json_unescape((const char *)scan->text + name->start, length, room + sizeof name->object);
  luaL_pushresultsize(&out, sizeof name->object + length);
}

/* Does some object name a member twice? Then push a message that says where. [-0, +1|+0, m] */
static int push_repeated(lua_State *L, const struct json_scan *scan) {
  struct json_scan again = {.text = scan->text, .length = scan->length, .spots = buffer_new(L), .names = buffer_new(L)};
  int top = lua_gettop(L), seen = 0;
  if (!json_scan(&again)) return push_problem(L, &again) == 0;
  const struct json_name *names = (const void *)again.names->data;
  size_t i = 0;
  lua_newtable(L);
  for (; !seen && i < again.members; i++) {
    push_name(L, &again, &names[i]);
    lua_pushvalue(L, -1);
    seen = lua_rawget(L, -3) != LUA_TNIL;
    lua_pop(L, 1);
    lua_pushboolean(L, 1);
    lua_rawset(L, -3);
  }
  if (seen) again.at = names[i - 1].start - 1;
  again.expected = "each member of an object only once";
  buffer_free(again.spots);
  buffer_free(again.names);
  lua_settop(L, top - 2);
  if (seen) push_problem(L, &again);
  return seen;
}

/* Is a secret in one of the names? Then the far side hides what it was sent. [-0, +0, e] */
static int has_secret_name(lua_State *L, const struct json_scan *scan) {
  const struct json_name *names = (const void *)scan->names->data;
  int found = 0;
  for (size_t i = 0; i < scan->members && !found; i++) {
    struct buffer *plain = push_plain(L, scan, names[i].start, names[i].end);
    found = secret_found(L, plain->data, plain->length);
    buffer_free(plain);
    lua_pop(L, 1);
  }
  return found;
}

/* Push the value: cjson's, corrected. [-0, +1, e] */
static void build(struct decoding *decoding) {
  lua_State *L = decoding->L;
  luaL_checkstack(L, (int)decoding->scan.deepest + LUA_MINSTACK, "JSON");
  decoding->spots = (const void *)decoding->scan.spots->data;
  decoding->spot_count = decoding->scan.spots->length / sizeof(struct json_spot);
  json_push_mark(L);
  decoding->mark = lua_gettop(L);
  lua_newtable(L);
  decoding->secrets = lua_gettop(L);
  int strings = 0;
  for (size_t i = 0; i < decoding->spot_count; i++) {
    lift(decoding, i);
    strings |= is_string(&decoding->spots[i]);
  }
  lua_createtable(L, 1, 0);
  push_decoder(L);
  if (strings)
    push_replaced(decoding);
  else
    lua_pushlstring(L, (const char *)decoding->scan.text, decoding->scan.length);
  lua_call(L, 1, 1);
  lua_rawseti(L, -2, 1);
  correct(decoding);
  lua_rawgeti(L, -1, 1);
}

static int decode(struct decoding *decoding) {
  lua_State *L = decoding->L;
  if (!json_scan(&decoding->scan)) return push_problem(L, &decoding->scan);
  if (decoding->sent && has_secret_name(L, &decoding->scan)) {
    lua_pushliteral(L, "JSON has a secret in a member's name");
    return 0;
  }
  if (decoding->scan.repeats && push_repeated(L, &decoding->scan)) return 0;
  build(decoding);
  return 1;
}

int json_decode(lua_State *L, const char *text, size_t length, const struct json_rules *rules) {
  size_t limit = rules && rules->max_bytes ? rules->max_bytes : MAX_BYTES;
  if (length > limit) {
    lua_pushfstring(L, "JSON has %I bytes, more than the limit of %I", (lua_Integer)length, (lua_Integer)limit);
    return 0;
  }
  int top = lua_gettop(L);
  struct decoding decoding = {.L = L};
  decoding.scan.text = (const unsigned char *)text;
  decoding.scan.length = length;
  decoding.scan.uses = NAMED_IN_JSON | (rules ? rules->uses : 0);
  decoding.scan.more = rules ? rules->secrets : NULL;
  decoding.sent = rules ? rules->sent : 0;
  decoding.scan.every = decoding.sent != 0;
  decoding.scan.spots = buffer_borrow(L);
  if (decoding.sent) decoding.scan.names = buffer_new(L);
  int fine = decode(&decoding);
  buffer_give_back(L, top + 1);
  lua_copy(L, -1, top + 1);
  lua_settop(L, top + 1);
  return fine;
}

/* Push room for the names in the list at index, which keeps them, and fill it. [-0, +1, e] */
static const char *const *check_names(lua_State *L, int index) {
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
static int decode_text(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_settop(L, 2);
  struct json_rules rules = {.secrets = check_names(L, 2)};
  if (json_decode(L, text, length, &rules)) return 1;
  return lib_fail(L, "%s", lua_tostring(L, -1));
}

/* json.encode(value, pretty?) -> text */
static int encode_value(lua_State *L) {
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
static int array(lua_State *L) {
  if (lua_isnoneornil(L, 1))
    lua_newtable(L);
  else
    luaL_checktype(L, 1, LUA_TTABLE);
  int other = lua_getmetatable(L, -1) && !json_is_array(L, -2);
  luaL_argcheck(L, !other, 1, "a table without another metatable is expected");
  lua_settop(L, 1);
  json_mark_array(L);
  return 1;
}

/* json.is_array(value) -> boolean */
static int is_array(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, json_is_array(L, 1));
  return 1;
}

static const luaL_Reg functions[] = {
    {"decode", decode_text}, {"encode", encode_value}, {"array", array}, {"is_array", is_array}, {NULL, NULL}};

int luaopen_host_json(lua_State *L);
int luaopen_host_json(lua_State *L) {
  luaL_newlib(L, functions);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  return 1;
}
