/* A growing run of bytes that is wiped when it goes. */
#ifndef BUFFER_H
#define BUFFER_H

#include <lua.h>
#include <stddef.h>

/* A growing run of bytes on the C heap. Keep it inside a userdata, so that a
 * Lua error cannot leak it. */
struct buffer {
  char *data;
  size_t length, capacity;
};

/* Append bytes; 0 when memory is out (the buffer is unchanged then). What is
 * left behind by growing is wiped. */
int buffer_append(struct buffer *buffer, const void *data, size_t length);

/* Make the buffer longer by so many bytes, whose content is undefined. Returns where they begin; NULL
 * when memory is out (the buffer is unchanged then). */
void *buffer_extend(struct buffer *buffer, size_t length);

/* Append bytes; raises when memory is out. [-0, +0, m] */
void buffer_add(lua_State *L, struct buffer *buffer, const void *data, size_t length);

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
