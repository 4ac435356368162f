/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The size of the character at text, 1 to 4 bytes; 0 when there is none. */
size_t utf8_size(const char *text, size_t length);

/* The same, and the character's code point. */
size_t utf8_decode(const char *text, size_t length, uint32_t *point);

/* Write a code point and return its size. A lone surrogate is written like any other. */
size_t utf8_encode(uint32_t point, char out[4]);

#endif
