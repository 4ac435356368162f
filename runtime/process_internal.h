/* What process.c and process_terminal.c share. */
#ifndef PROCESS_INTERNAL_H
#define PROCESS_INTERNAL_H

#include "process.h"

#include <spawn.h>

/* Push the list at index as an argument array for exec; raise an argument error for a NUL or a secret in it. [-0, +1,
 * e]
 */
char **process_push_arguments(lua_State *L, int index);

/* Push an environment array for exec: the variables of every child, and those of ours that the list at index names (0:
 * none). [-0, +1, e] */
char **process_push_environment(lua_State *L, int index);

/* Set the attributes of a child: default signals, no blocked signals, and a process group or session of its own by
 * flag. */
void process_set_attributes(posix_spawnattr_t *attributes, short flag);

/* Push nil and the message that the path is not one of the host's own programs. Returns 2. */
int process_refuse(lua_State *L, const char *path);

/* process.page(arguments, text) -> exit status | nil, message */
int process_page(lua_State *L);

/* process.edit(path, pass) -> exit status | nil, message */
int process_edit(lua_State *L);

#endif
