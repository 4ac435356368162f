/* Text for a terminal: making it safe to print, and its width. */
#ifndef TERM_H
#define TERM_H

#include "lib.h"

/* Push the text as it may be printed: secrets redacted, and "?" for each character that would control the terminal.
 * Returns the text and its length. [-0, +1, m] */
const char *term_text_push_printable(lua_State *L, const char *text, size_t length, size_t *shown);

/* Push the function term.text_width. [-0, +1, m] */
void term_text_push_width_function(lua_State *L);

#endif
