/* What every native module shares: one way to define a type, one way to fail. */
#ifndef LIB_H
#define LIB_H

#include "buffer.h"

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>

/* Define a userdata type whose close function serves close(), __close and
 * __gc. Defining it again changes nothing. [-0, +0, m] */
void lib_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close);

/* Like luaL_checkudata, in a third of the time when name is the very text with which the type was defined. For code
 * that each request runs a dozen times. */
void *lib_check(lua_State *L, int index, const char *name);

/* Push a zeroed userdata of that type, with one user value. [-0, +1, m] */
void *lib_new(lua_State *L, size_t size, const char *name);

/* Push fail and a message: the outcome of an operation that may fail.
 * Returns 2, to be returned. [-0, +2, m] */
int lib_fail(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with a symbolic kind after the message ("timeout", "tls", …).
 * Returns 3. [-0, +3, m] */
int lib_fail_kind(lua_State *L, const char *kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Raise Lua's own "not enough memory". Returns never, but 0 to be returned. */
int lib_no_memory(lua_State *L);

/* A copy of text on the C heap, NULL for NULL; raises when memory is out. [-0, +0, m] */
char *lib_copy(lua_State *L, const char *text);

/* The string argument at this index, as C reads it: one with a NUL in it is an
 * argument error, because what is checked has to be all there is. */
const char *lib_checktext(lua_State *L, int index);

/* The same, or NULL when it is absent or nil. */
const char *lib_opttext(lua_State *L, int index);

#endif
