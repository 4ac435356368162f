/* Hexadecimal digits. */
#ifndef HEX_H
#define HEX_H

#include <stddef.h>

/* Encode count bytes as 2 * count lower-case digits, without a NUL. */
void hex_encode(const void *bytes, size_t count, char *out);

/* Encode count bytes as digits and a NUL: out has room for 2 * count + 1. Returns out. */
char *hex_text(const void *bytes, size_t count, char *out);

/* Write a UUID of version 4 (RFC 9562) made of random bytes: 36 characters and a NUL. Returns out. */
char *hex_uuid(const unsigned char bytes[16], char out[37]);

/* Return the value of a digit in upper or lower case, or -1. */
int hex_digit(char c);

/* Return the value of the first count digits of text, at most 4; -1 when text has fewer digits. */
int hex_value(const char *text, size_t length, size_t count);

/* Decode 2 * count digits into bytes; 0 when a character is not a digit. */
int hex_decode(const char *text, size_t count, void *bytes);

#endif
