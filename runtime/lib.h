/* What every native module shares: one way to define a type, one way to fail,
 * one growing buffer that is wiped when it goes. */
#ifndef LIB_H
#define LIB_H

#include <lauxlib.h>
#include <lua.h>
#include <stddef.h>

/* Define a userdata type whose close function serves close(), __close and
 * __gc. Defining it again changes nothing. [-0, +0, m] */
void lib_type(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close);

/* As luaL_checkudata, in a third of the time where name is the text that the type was
 * defined with; for what each request does a dozen times. */
void *lib_check(lua_State *L, int index, const char *name);

/* Push a zeroed userdata of that type, with one user value. [-0, +1, m] */
void *lib_new(lua_State *L, size_t size, const char *name);

/* Push fail and a message: the outcome of an operation that may fail.
 * Returns 2, to be returned. [-0, +2, m] */
int lib_fail(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with a symbolic kind after the message ("timeout", "tls", …).
 * Returns 3. [-0, +3, m] */
int lib_fail_kind(lua_State *L, const char *kind, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The string argument at this index, as C reads it: one with a NUL in it is an
 * argument error, because what is checked has to be all there is. */
const char *lib_checktext(lua_State *L, int index);

/* The same, or NULL when it is absent or nil. */
const char *lib_opttext(lua_State *L, int index);

/* A growing run of bytes on the C heap. Keep it inside a userdata, so that a
 * Lua error cannot leak it. */
struct buffer {
  char *data;
  size_t length, capacity;
};

/* Append bytes; 0 when memory is out (the buffer is unchanged then). What is
 * left behind by growing is wiped. */
int buffer_append(struct buffer *buffer, const void *data, size_t length);

/* Append a NUL-terminated string. */
int buffer_append_string(struct buffer *buffer, const char *text);

/* In a buffer of texts that each end with NUL: the one after `before`, or the first
 * when that is NULL; NULL after the last. */
const char *buffer_text(const struct buffer *buffer, const char *before);

/* Wipe, free and empty the buffer. Idempotent. */
void buffer_free(struct buffer *buffer);

/* Push an empty buffer as a userdata that is wiped when it is closed or
 * collected: scratch space for code that may raise. [-0, +1, m] */
struct buffer *buffer_new(lua_State *L);

/* The same for code that runs often: the state's own buffer, which is nobody
 * else's until it is given back. Code that raises keeps it, to be wiped when
 * collected; the next borrower gets a new one. [-0, +1, m] */
struct buffer *buffer_borrow(lua_State *L);

/* Wipe, free and empty the borrowed buffer at index, for the next borrower. [-0, +0, m] */
void buffer_give_back(lua_State *L, int index);

#endif
