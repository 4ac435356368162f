/* Find an embedded Lua file by its name. */
#include "embed.h"

#include <stdlib.h>
#include <string.h>

static int compare_embedded_name(const void *name, const void *file) {
  return strcmp(name, ((const struct embedded *)file)->name);
}

const struct embedded *embed_find(const char *name) {
  return bsearch(name, embedded, embedded_count, sizeof *embedded, compare_embedded_name);
}
