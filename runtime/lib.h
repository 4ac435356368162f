/* Helpers that every native module uses: defining a userdata type, and reporting a failure to Lua. */
#ifndef LIB_H
#define LIB_H

#include "buffer.h"

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>

/* Define a userdata type whose close function serves close(), __close and
 * __gc. Defining it again changes nothing. [-0, +0, m] */
void lib_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close);

/* The same as luaL_checkudata, in a third of the time when name is the pointer that the type was defined with. For
 * code that runs a dozen times in each request. */
void *lib_check(lua_State *L, int index, const char *name);

/* Push a zeroed userdata of the type, with one user value. [-0, +1, m] */
void *lib_new(lua_State *L, size_t size, const char *name);

/* Push nil and a message, which is how an operation that may fail reports a failure. Returns 2, for the caller to
 * return. [-0, +2, m] */
int lib_fail(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Push nil, a message and a symbolic kind ("timeout", "tls", …). Returns 3, for the caller to return. [-0, +3, m] */
int lib_fail_kind(lua_State *L, const char *kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Raise Lua's own error "not enough memory". The return type only allows `return lib_no_memory(L)`. */
int lib_no_memory(lua_State *L);

/* Return a copy of text on the C heap, or NULL for NULL; raise an error when memory is out. [-0, +0, m] */
char *lib_copy(lua_State *L, const char *text);

/* Return the string argument at index. A string with a NUL inside is an argument error: C would check only the part
 * before the NUL. */
const char *lib_checktext(lua_State *L, int index);

/* Return the string argument at index as lib_checktext does, or NULL when the argument is absent or nil. */
const char *lib_opttext(lua_State *L, int index);

#endif
