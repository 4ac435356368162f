/* What text is on a terminal. */
#ifndef TERM_H
#define TERM_H

#include "lib.h"

/* Push the text as it may be shown: secrets redacted, and "?" for what would steer the terminal. Returns
 * it, and its length. [-0, +1, m] */
const char *term_push_shown(lua_State *L, const char *text, size_t length, size_t *shown);

/* Push term.text_width. [-0, +1, m] */
void term_push_text_width(lua_State *L);

#endif
