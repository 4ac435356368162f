/* Hexadecimal digits. */
#ifndef HEX_H
#define HEX_H

#include <stddef.h>

/* Write 2 * count lower-case digits, without a NUL. */
void hex_encode(const void *bytes, size_t count, char *out);

/* The same with a NUL after the digits: out has room for 2 * count + 1. Returns out. */
char *hex_text(const void *bytes, size_t count, char *out);

/* Write a UUID of version 4 (RFC 9562) whose random part is in bytes: 36 characters and a NUL. Returns out. */
char *hex_uuid(const unsigned char bytes[16], char out[37]);

/* The value of a digit in either case, or -1. */
int hex_digit(char c);

/* The value of the first count digits of text, at most 4 of them; -1 when there are fewer. */
int hex_value(const char *text, size_t length, size_t count);

/* Undo hex_encode for count bytes; 0 when a character of text is no digit. */
int hex_decode(const char *text, size_t count, void *bytes);

#endif
