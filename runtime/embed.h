/* The Lua files in the binary. */
#ifndef EMBED_H
#define EMBED_H

#include <stddef.h>

struct embedded {
  const char *name; /* "stdlib/task.lua", "scripts/setup/…"; NULL ends the list */
  const char *text;
  size_t length;
  const char *chunk; /* of a module of stdlib: the same, compiled; NULL for other files */
  size_t chunk_length;
};

/* Sorted by name; written by embed.cmake. */
extern const struct embedded embedded[];

/* The file of that name, or NULL. */
const struct embedded *embed_find(const char *name);

#endif
