/* A growable byte array that is wiped when it is freed. */
#ifndef BUFFER_H
#define BUFFER_H

#include <lua.h>
#include <stddef.h>

/* A growable byte array on the C heap. Keep it inside a userdata, so that a Lua error cannot leak it. */
struct buffer {
  char *data;
  size_t length, capacity;
};

/* Append bytes; 0 when memory is out (the buffer is unchanged then). Memory that the buffer leaves when it grows is
 * wiped. */
int buffer_append(struct buffer *buffer, const void *data, size_t length);

/* Lengthen the buffer by length bytes of undefined content. Returns a pointer to the new bytes; NULL when memory is
 * out (the buffer is unchanged then). */
void *buffer_extend(struct buffer *buffer, size_t length);

/* Append bytes; raise an error when memory is out. [-0, +0, m] */
void buffer_add(lua_State *L, struct buffer *buffer, const void *data, size_t length);

/* Append the characters of a string, without its NUL; 0 when memory is out. */
int buffer_append_string(struct buffer *buffer, const char *text);

/* In a buffer of NUL-terminated texts: return the text after `before`, or the first text when `before` is NULL; NULL
 * after the last text. A text without its NUL, which lack of memory may leave at the end, is not returned. */
const char *buffer_next_text(const struct buffer *buffer, const char *before);

/* Wipe, free and empty the buffer. Idempotent. */
void buffer_free(struct buffer *buffer);

/* Push an empty buffer as a userdata that is wiped when it is closed or collected. For temporary data in code that
 * may raise an error. [-0, +1, m] */
struct buffer *buffer_new(lua_State *L);

/* Push the state's reusable buffer, for code that runs often. When the buffer is lent already, push a new one. A
 * borrower that raises an error does not give the buffer back: the collector wipes it, and the next borrower gets a
 * new one. [-0, +1, m] */
struct buffer *buffer_borrow(lua_State *L);

/* Wipe the borrowed buffer at index and keep it for the next borrower. [-0, +0, m] */
void buffer_give_back(lua_State *L, int index);

#endif
