/* Base64 and base64url (RFC 4648): encode bytes, decode text. No Lua here. */
#ifndef BASE64_H
#define BASE64_H

#include "lib.h"

/* Encode the bytes into out, and return the number of characters: at most four for each three bytes begun. With url:
 * the base64url alphabet, without padding. */
size_t base64_encode(const void *bytes, size_t length, int url, char *out);

/* Append the bytes to out, encoded; 0 when memory is out. */
int base64_append(struct buffer *out, const void *bytes, size_t length);
int base64_url_append(struct buffer *out, const void *bytes, size_t length);

/* Decode base64 or base64url, with or without padding, into out, which has room for length bytes. Returns the number
 * of bytes, or SIZE_MAX when the text is invalid. */
size_t base64_decode(const char *text, size_t length, char *out);

#endif
