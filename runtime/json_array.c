/* The metatable that tells an array from an object, so that [] stays []. */
#include "json.h"

void json_array_push_metatable(lua_State *L) {
  if (!luaL_newmetatable(L, JSON_ARRAY)) return;
  lua_pushboolean(L, 0);
  lua_setfield(L, -2, "__metatable");
}

void json_array_mark(lua_State *L) {
  json_array_push_metatable(L);
  lua_setmetatable(L, -2);
}

int json_array_check(lua_State *L, int index) {
  if (lua_type(L, index) != LUA_TTABLE) return 0;
  if (lua_rawlen(L, index) > 0) return 1;
  if (!lua_getmetatable(L, index)) return 0;
  int marked = luaL_getmetatable(L, JSON_ARRAY) != LUA_TNIL && lua_rawequal(L, -1, -2);
  lua_pop(L, 2);
  return marked;
}
