/* UTF-8 as in RFC 3629: no overlong forms, no surrogates, nothing beyond U+10FFFF. */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Return the length of the character at text, 1 to 4 bytes; 0 when it is invalid. */
size_t utf8_size(const char *text, size_t length);

/* Return the length of the character at text as utf8_size does, and its code point. */
size_t utf8_decode(const char *text, size_t length, uint32_t *point);

/* Encode a code point, and return its length. A lone surrogate is encoded like any other code point. */
size_t utf8_encode(uint32_t point, char out[4]);

#endif
