/* Running other programs: the functions of host.process that the gate uses. */
#ifndef PROCESS_H
#define PROCESS_H

#include "secret.h"

/* Is the program at this absolute path one that the host itself uses (process_own.c)? */
int process_is_own(const char *path);

/* Start the program that the list of words at index names, with input (or NULL for none) as its standard input: push
 * the child and return 1, or push nil and a message and return 2. keep: keep its standard error for
 * child:complaint(). The caller has decided that the program may be started. [-0, +1|+2, e] */
int process_start_child(lua_State *L, int index, const struct secret *input, int keep);

#endif
