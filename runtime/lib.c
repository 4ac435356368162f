/* Helpers that every native module uses; see lib.h. */
#include "lib.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_KEY                                                                                                       \
  1 /* key in a metatable: the type's name as a pointer, which lib_check compares without a lookup of the name */

void lib_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close) {
  if (luaL_newmetatable(L, name)) {
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__close");
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0); /* getmetatable(x) -> false: scripts cannot reach __gc */
    lua_setfield(L, -2, "__metatable");
    lua_pushlightuserdata(L, (void *)name);
    lua_rawseti(L, -2, TYPE_KEY);
  }
  lua_pop(L, 1);
}

void *lib_check(lua_State *L, int index, const char *name) {
  void *object = lua_touserdata(L, index);
  if (!object || !lua_getmetatable(L, index)) return luaL_checkudata(L, index, name);
  lua_rawgeti(L, -1, TYPE_KEY);
  int same = lua_touserdata(L, -1) == name;
  lua_pop(L, 2);
  return same ? object : luaL_checkudata(L, index, name);
}

void *lib_new(lua_State *L, size_t size, const char *name) {
  void *object = memset(lua_newuserdatauv(L, size, 1), 0, size);
  luaL_setmetatable(L, name);
  return object;
}

static void push_message(lua_State *L, const char *format, va_list arguments) {
  char message[1024];
  vsnprintf(message, sizeof message, format, arguments);
  luaL_pushfail(L);
  lua_pushstring(L, message);
}

int lib_fail(lua_State *L, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  push_message(L, format, arguments);
  va_end(arguments);
  return 2;
}

int lib_fail_kind(lua_State *L, const char *kind, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  push_message(L, format, arguments);
  va_end(arguments);
  lua_pushstring(L, kind);
  return 3;
}

int lib_no_memory(lua_State *L) {
  return luaL_error(L, "not enough memory");
}

char *lib_copy(lua_State *L, const char *text) {
  char *copy = text ? strdup(text) : NULL;
  if (text && !copy) lib_no_memory(L);
  return copy;
}

const char *lib_checktext(lua_State *L, int index) {
  size_t length;
  const char *text = luaL_checklstring(L, index, &length);
  luaL_argcheck(L, strlen(text) == length, index, "a string without NUL characters is expected");
  return text;
}

const char *lib_opttext(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : lib_checktext(L, index);
}
