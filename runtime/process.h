/* Running programs: what the gate needs of host.process. */
#ifndef PROCESS_H
#define PROCESS_H

#include "secret.h"

/* The program at this absolute path is one that the host itself uses (process_own.c). */
int process_is_own(const char *path);

/* Start the program that the list of words at index names, with this content (or NULL for none) as its standard input:
 * push the child and return 1, or fail and a message and return 2. keep: its standard error is kept for the child's
 * complaint(). Whether it may be started was decided by the caller. [-0, +1|+2, e] */
int process_run(lua_State *L, int index, const struct secret *input, int keep);

#endif
