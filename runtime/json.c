/* host.json: strict decoding and deterministic encoding.
 *
 * Decoding: json_scan.c checks the whole text and says how large its arrays and
 * objects are, then json_build.c makes them of the size they will have.
 *
 * Encoding is json_encode.c's, from the value straight into a buffer that is
 * wiped.
 */
#include "json.h"

#include "json_scan.h"

enum { MAX_BYTES = 4 << 20 };
/* Lifted from every text, whatever its protocol says. */
static const char *const well_known[] = {
    "access_token", "refresh_token", "id_token",  "client_secret", "client_assertion", "secretText", "password",
    "newPassword",  "clientSecret",  "appSecret", "tokenId",       "device_code",      NULL};

/* Push a message about where the scanner stopped. [-0, +1, m] */
static int push_problem(lua_State *L, const struct json_scan *scan) {
  if (!scan->expected) return luaL_error(L, "out of memory");
  if (scan->at >= scan->length)
    lua_pushfstring(L, "JSON ends after %I bytes, expected %s", (lua_Integer)scan->length, scan->expected);
  else
    lua_pushfstring(L, "JSON is wrong at byte %I, expected %s", (lua_Integer)scan->at + 1, scan->expected);
  return 0;
}

static int decode(lua_State *L, struct json_scan *scan) {
  if (!json_scan(scan)) return push_problem(L, scan);
  luaL_checkstack(L, 4 * (int)scan->deepest + LUA_MINSTACK, "JSON");
  if (json_build(L, scan)) return 1;
  scan->expected = "each member of an object only once";
  return push_problem(L, scan);
}

int json_decode(lua_State *L, const char *text, size_t length, const struct json_rules *rules) {
  size_t limit = rules && rules->max_bytes ? rules->max_bytes : MAX_BYTES;
  if (length > limit) {
    lua_pushfstring(L, "JSON has %I bytes, more than the limit of %I", (lua_Integer)length, (lua_Integer)limit);
    return 0;
  }
  int top = lua_gettop(L);
  struct json_scan scan = {.text = (const unsigned char *)text, .length = length};
  scan.secrets[0] = well_known;
  scan.secrets[1] = rules ? rules->secrets : NULL;
  scan.sizes = buffer_borrow(L);
  int fine = decode(L, &scan);
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
