/* UTF-8 as in RFC 3629; see utf8.h. */
#include "utf8.h"

/* Return count when text has count bytes, of which all but the first are continuation bytes; else 0. */
static size_t check_continuation_bytes(const unsigned char *text, size_t length, size_t count) {
  if (length < count) return 0;
  for (size_t i = 1; i < count; i++)
    if ((text[i] & 0xc0) != 0x80) return 0;
  return count;
}

size_t utf8_size(const char *bytes, size_t length) {
  const unsigned char *text = (const unsigned char *)bytes;
  if (!length) return 0;
  unsigned char c = text[0], next = length > 1 ? text[1] : 0;
  if (c < 0x80) return 1;
  if (c < 0xc2 || c > 0xf4) return 0;
  if (c < 0xe0) return check_continuation_bytes(text, length, 2);
  if ((c == 0xe0 && next < 0xa0) || (c == 0xed && next > 0x9f)) return 0; /* overlong forms; surrogates */
  if (c < 0xf0) return check_continuation_bytes(text, length, 3);
  if ((c == 0xf0 && next < 0x90) || (c == 0xf4 && next > 0x8f)) return 0; /* overlong forms; beyond U+10FFFF */
  return check_continuation_bytes(text, length, 4);
}

size_t utf8_decode(const char *text, size_t length, uint32_t *point) {
  size_t size = utf8_size(text, length);
  if (size < 2) {
    *point = size ? (unsigned char)*text : 0;
    return size;
  }
  *point = (unsigned char)*text & (0x7fu >> size);
  for (size_t i = 1; i < size; i++) *point = *point << 6 | ((unsigned char)text[i] & 0x3f);
  return size;
}

size_t utf8_encode(uint32_t point, char out[4]) {
  static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
  size_t size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
  for (size_t i = size - 1; i > 0; i--, point >>= 6) out[i] = (char)(0x80 | (point & 0x3f));
  out[0] = (char)(lead[size] | point);
  return size;
}
