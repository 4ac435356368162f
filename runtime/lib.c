/* What every native module shares; see lib.h. */
#include "lib.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER "host.buffer"
#define MARK 1 /* where a metatable says whose it is, to be compared without looking its name up */

static const char borrowed_key;

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
    lua_rawseti(L, -2, MARK);
  }
  lua_pop(L, 1);
}

void *lib_check(lua_State *L, int index, const char *name) {
  void *object = lua_touserdata(L, index);
  if (!object || !lua_getmetatable(L, index)) return luaL_checkudata(L, index, name);
  lua_rawgeti(L, -1, MARK);
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

const char *lib_checktext(lua_State *L, int index) {
  size_t length;
  const char *text = luaL_checklstring(L, index, &length);
  luaL_argcheck(L, strlen(text) == length, index, "a NUL has no place in it");
  return text;
}

const char *lib_opttext(lua_State *L, int index) {
  return lua_isnoneornil(L, index) ? NULL : lib_checktext(L, index);
}

/* realloc may leave a copy behind, so growing is copy, wipe, free. */
static int buffer_grow(struct buffer *buffer, size_t needed) {
  size_t capacity = needed < 256 ? 256 : needed + needed / 2;
  char *data = capacity < needed ? NULL : malloc(capacity);
  if (!data) return 0;
  if (buffer->length) memcpy(data, buffer->data, buffer->length);
  if (buffer->data) explicit_bzero(buffer->data, buffer->capacity);
  free(buffer->data);
  buffer->data = data;
  buffer->capacity = capacity;
  return 1;
}

int buffer_append(struct buffer *buffer, const void *data, size_t length) {
  size_t needed = buffer->length + length;
  if (needed < length) return 0;
  if (needed > buffer->capacity && !buffer_grow(buffer, needed)) return 0;
  if (length) memcpy(buffer->data + buffer->length, data, length);
  buffer->length = needed;
  return 1;
}

int buffer_append_string(struct buffer *buffer, const char *text) {
  return buffer_append(buffer, text, strlen(text));
}

const char *buffer_text(const struct buffer *buffer, const char *before) {
  const char *text = before ? before + strlen(before) + 1 : buffer->data;
  return text && text < buffer->data + buffer->length ? text : NULL;
}

void buffer_free(struct buffer *buffer) {
  if (buffer->data) explicit_bzero(buffer->data, buffer->capacity);
  free(buffer->data);
  *buffer = (struct buffer){0};
}

static int buffer_close(lua_State *L) {
  buffer_free(luaL_checkudata(L, 1, BUFFER));
  return 0;
}

struct buffer *buffer_new(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  lib_type(L, BUFFER, none, buffer_close);
  return lib_new(L, sizeof(struct buffer), BUFFER);
}

struct buffer *buffer_borrow(lua_State *L) {
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &borrowed_key) == LUA_TUSERDATA) {
    lua_pushboolean(L, 0); /* whoever borrows meanwhile, as a finalizer may, gets another */
    lua_rawsetp(L, LUA_REGISTRYINDEX, &borrowed_key);
    return lua_touserdata(L, -1);
  }
  lua_pop(L, 1);
  return buffer_new(L);
}

void buffer_give_back(lua_State *L, int index) {
  lua_pushvalue(L, index);
  buffer_free(lua_touserdata(L, -1));
  lua_rawsetp(L, LUA_REGISTRYINDEX, &borrowed_key);
}
