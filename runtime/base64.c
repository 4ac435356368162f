/* Base64 and base64url (RFC 4648); see base64.h. */
#include "base64.h"

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Encode a group of at most three bytes as four characters. */
static void encode_group(const unsigned char *bytes, size_t count, const char *letters, char out[4]) {
  unsigned bits = 0;
  for (size_t i = 0; i < 3; i++) bits = bits << 8 | (i < count ? bytes[i] : 0);
  for (size_t i = 0; i < 4; i++) out[i] = i <= count ? letters[bits >> (18 - 6 * i) & 63] : '=';
}

size_t base64_encode(const void *bytes, size_t length, int url, char *out) {
  const unsigned char *input = bytes;
  size_t groups = (length + 2) / 3;
  for (size_t i = 0; i < groups; i++) {
    size_t left = length - 3 * i;
    encode_group(input + 3 * i, left < 3 ? left : 3, url ? url_letters : base64_letters, out + 4 * i);
  }
  return groups * 4 - (url ? groups * 3 - length : 0);
}

/* Encode group by group, so that no second buffer is needed. */
static int append_base64(struct buffer *out, const void *bytes, size_t length, int url) {
  const unsigned char *input = bytes;
  for (size_t i = 0; i < length; i += 3) {
    char group[4];
    size_t size = base64_encode(input + i, length - i < 3 ? length - i : 3, url, group);
    if (!buffer_append(out, group, size)) return 0;
  }
  return 1;
}

int base64_append(struct buffer *out, const void *bytes, size_t length) {
  return append_base64(out, bytes, length, 0);
}

int base64_url_append(struct buffer *out, const void *bytes, size_t length) {
  return append_base64(out, bytes, length, 1);
}

/* Return the value (0 to 63) of a character of either alphabet, or -1. */
static int base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

/* Return the length of the text without its padding, or SIZE_MAX when the padding or the length is wrong. */
static size_t unpadded_base64_length(const char *text, size_t length) {
  size_t padding = 0;
  while (padding < 2 && padding < length && text[length - padding - 1] == '=') padding++;
  if (padding && length % 4 != 0) return SIZE_MAX;
  return (length - padding) % 4 == 1 ? SIZE_MAX : length - padding;
}

/* Decode text without padding into out. Returns the number of bytes; SIZE_MAX when a character is invalid, or when
 * the unused bits of the last character are not 0: so each byte sequence has exactly one text. */
static size_t decode_base64(const char *text, size_t length, char *out) {
  size_t size = 0;
  unsigned bits = 0, bit_count = 0;
  for (size_t i = 0; i < length; i++) {
    int value = base64_value(text[i]);
    if (value < 0) return SIZE_MAX;
    bits = (bits << 6 | (unsigned)value) & 0xfff;
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    out[size++] = (char)(bits >> bit_count);
  }
  return bits & ((1u << bit_count) - 1) ? SIZE_MAX : size;
}

size_t base64_decode(const char *text, size_t length, char *out) {
  length = unpadded_base64_length(text, length);
  return length == SIZE_MAX ? SIZE_MAX : decode_base64(text, length, out);
}
