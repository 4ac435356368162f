/* Find an embedded Lua file by its name. */
#include "embed.h"

#include <string.h>

const struct embedded *embed_find(const char *name) {
  for (const struct embedded *file = embedded; file->name; file++)
    if (strcmp(file->name, name) == 0) return file;
  return NULL;
}
