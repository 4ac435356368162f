/* host.json: strict decoding and deterministic encoding.
 *
 * Decoding takes two steps: json_scan.c checks the text, and lists the strings that become secrets or are to be
 * searched for secrets; json_build.c builds the value. Encoding is in json_encode.c, and writes straight into a buffer
 * that is wiped.
 */
#include "json.h"

#include "json_internal.h"
#include "secret.h"

#include <string.h>

enum { DEFAULT_MAX_BYTES = 4 << 20 };

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
    struct buffer *name = json_push_unescaped(L, scan, names[i].start, names[i].end);
    found = secret_redact_finds(L, name->data, name->length);
    buffer_free(name);
    lua_pop(L, 1);
  }
  return found;
}

/* Push the value and return 1; or the message about what is wrong and return 0. [-0, +1, e] */
static int decode_json(lua_State *L, struct json_scan *scan, int sent) {
  if (!json_scan(scan)) return push_scan_problem(L, scan);
  if (sent && has_secret_in_name(L, scan)) {
    lua_pushliteral(L, "JSON has a secret in a member's name");
    return 0;
  }
  if (scan->repeats && push_repeated_name_problem(L, scan)) return 0;
  json_build(L, scan, sent);
  return 1;
}

int json_decode(lua_State *L, const char *text, size_t length, const struct json_rules *rules) {
  size_t limit = rules && rules->max_bytes ? rules->max_bytes : DEFAULT_MAX_BYTES;
  if (length > limit) {
    lua_pushfstring(L, "JSON has %I bytes, more than the limit of %I", (lua_Integer)length, (lua_Integer)limit);
    return 0;
  }
  int top = lua_gettop(L), sent = rules ? rules->sent : 0;
  struct json_scan scan = {.text = (const unsigned char *)text, .length = length};
  scan.uses = NAMED_IN_JSON | (rules ? rules->uses : 0);
  scan.more_names = rules ? rules->secrets : NULL;
  scan.places = rules ? rules->places : NULL;
  scan.all_strings = sent != 0;
  scan.spots = buffer_borrow(L);
  if (sent) scan.names = buffer_new(L);
  int ok = decode_json(L, &scan, sent);
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
  struct json_rules rules = {.secrets = check_json_secret_names(L, 2)};
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
