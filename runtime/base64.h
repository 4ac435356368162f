/* Base64 (RFC 4648): bytes as letters and back. No Lua here. */
#ifndef BASE64_H
#define BASE64_H

#include "lib.h"

/* Write the letters of these bytes; returns how many, at most four for each
 * three bytes begun. With url: the other alphabet, without padding. */
size_t base64_encode(const void *bytes, size_t length, int url, char *out);

/* Append them; 0 when memory is out. */
int base64_append(struct buffer *out, const void *bytes, size_t length);
int base64_url_append(struct buffer *out, const void *bytes, size_t length);

/* Fill out (as long as the text) with the bytes of either alphabet, padded or
 * not; returns how many, or SIZE_MAX when it is none. */
size_t base64_decode(const char *text, size_t length, char *out);

#endif
