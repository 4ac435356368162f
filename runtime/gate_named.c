/* The lists of programs and folders that the profile names. No I/O and no Lua. */
#include "gate_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

void gate_named_free(struct named_list *names) {
  for (size_t i = 0; i < names->count; i++) {
    free(names->list[i].name);
    buffer_free(&names->list[i].texts);
  }
  free(names->list);
  *names = (struct named_list){0};
}

struct named *gate_named_add(struct named_list *names, const char *name) {
  char *copy = strdup(name);
  struct named *list = copy ? reallocarray(names->list, names->count + 1, sizeof *list) : NULL;
  if (!list) {
    free(copy);
    return NULL;
  }
  names->list = list;
  list[names->count] = (struct named){.name = copy};
  return &list[names->count++];
}

const struct named *gate_named_find(const struct named_list *names, const char *name) {
  for (size_t i = 0; i < names->count; i++)
    if (strcmp(names->list[i].name, name) == 0) return &names->list[i];
  return NULL;
}

int gate_named_is_valid(const char *text) {
  size_t length = strlen(text);
  if (!length || length > 64) return 0;
  for (size_t i = 0; i < length; i++)
    if (!isalnum((unsigned char)text[i]) && text[i] != '-' && text[i] != '_') return 0;
  return 1;
}
