/* A growable byte array that is wiped when it is freed; see buffer.h. */
#include "buffer.h"

#include "lib.h"

#include <stdlib.h>
#include <string.h>

#define BUFFER "host.buffer"

static const char reusable_key; /* registry key of the state's reusable buffer; false while the buffer is lent */

/* Copy into a larger block, then wipe and free the old one: realloc might leave a copy behind. */
static int grow_buffer(struct buffer *buffer, size_t needed) {
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

void *buffer_extend(struct buffer *buffer, size_t length) {
  size_t needed = buffer->length + length;
  if (needed < length) return NULL;
  if (needed > buffer->capacity && !grow_buffer(buffer, needed)) return NULL;
  void *space = buffer->data + buffer->length;
  buffer->length = needed;
  return space;
}

int buffer_append(struct buffer *buffer, const void *data, size_t length) {
  if (length == 0) return 1;
  void *space = buffer_extend(buffer, length);
  if (space) memcpy(space, data, length);
  return space != NULL;
}

void buffer_add(lua_State *L, struct buffer *buffer, const void *data, size_t length) {
  if (!buffer_append(buffer, data, length)) lib_no_memory(L);
}

int buffer_append_string(struct buffer *buffer, const char *text) {
  return buffer_append(buffer, text, strlen(text));
}

const char *buffer_next_text(const struct buffer *buffer, const char *before) {
  const char *text = before ? before + strlen(before) + 1 : buffer->data;
  size_t left = text ? (size_t)(buffer->data + buffer->length - text) : 0;
  return left > 0 && memchr(text, '\0', left) ? text : NULL;
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
  if (lua_rawgetp(L, LUA_REGISTRYINDEX, &reusable_key) == LUA_TUSERDATA) {
    lua_pushboolean(L, 0); /* another borrower, for example a finalizer, then gets a new buffer */
    lua_rawsetp(L, LUA_REGISTRYINDEX, &reusable_key);
    return lua_touserdata(L, -1);
  }
  lua_pop(L, 1);
  return buffer_new(L);
}

void buffer_give_back(lua_State *L, int index) {
  lua_pushvalue(L, index);
  buffer_free(lua_touserdata(L, -1));
  lua_rawsetp(L, LUA_REGISTRYINDEX, &reusable_key);
}
