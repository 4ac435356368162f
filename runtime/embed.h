/* The Lua files that are embedded in the program. */
#ifndef EMBED_H
#define EMBED_H

#include <stddef.h>

struct embedded {
  const char *name; /* "stdlib/task.lua", "scripts/setup/…"; NULL ends the list */
  const char *text;
  size_t length;
  const char *chunk; /* of a Lua file: the same, compiled; NULL for other files */
  size_t chunk_length;
};

/* The list of all embedded files, sorted by name; the build writes it (embed.cmake). */
extern const struct embedded embedded[];
extern const size_t embedded_count;

/* Return the embedded file of that name, or NULL. */
const struct embedded *embed_find(const char *name);

#endif
