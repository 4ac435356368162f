/* Hexadecimal digits; see hex.h. */
#include "hex.h"

#include <string.h>

void hex_encode(const void *bytes, size_t count, char *out) {
  static const char digits[] = "0123456789abcdef";
  const unsigned char *from = bytes;
  for (size_t i = 0; i < count; i++) {
    *out++ = digits[from[i] >> 4];
    *out++ = digits[from[i] & 15];
  }
}

char *hex_text(const void *bytes, size_t count, char *out) {
  hex_encode(bytes, count, out);
  out[2 * count] = '\0';
  return out;
}

char *hex_uuid(const unsigned char bytes[16], char out[37]) {
  static const unsigned char groups[] = {4, 2, 2, 2, 6};
  unsigned char bytes_of_uuid[16];
  const unsigned char *from = bytes_of_uuid;
  char *at = out;
  memcpy(bytes_of_uuid, bytes, sizeof bytes_of_uuid);
  bytes_of_uuid[6] = (bytes_of_uuid[6] & 0x0f) | 0x40; /* version */
  bytes_of_uuid[8] = (bytes_of_uuid[8] & 0x3f) | 0x80; /* variant */
  for (size_t i = 0; i < sizeof groups; i++) {
    hex_encode(from, groups[i], at);
    from += groups[i];
    at += 2 * groups[i];
    *at++ = i + 1 < sizeof groups ? '-' : '\0';
  }
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  c |= 0x20;
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_value(const char *text, size_t length, size_t count) {
  int value = 0;
  if (length < count) return -1;
  for (size_t i = 0; i < count; i++) {
    int digit = hex_digit(text[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

int hex_decode(const char *text, size_t count, void *bytes) {
  unsigned char *out = bytes;
  for (size_t i = 0; i < count; i++) {
    int value = hex_value(text + 2 * i, 2, 2);
    if (value < 0) return 0;
    out[i] = (unsigned char)value;
  }
  return 1;
}
