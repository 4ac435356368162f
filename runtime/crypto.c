/* host.crypto: random bytes, digests, text forms of bytes, signing keys, sealed
 * boxes and keys made of others; the last three are in crypto_key.c (with
 * crypto_certificate.c and crypto_jws.c), crypto_seal.c and crypto_derive.c.
 * Nothing here is an algorithm of our own:
 * OpenSSL does the work. */
#include "crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_RANDOM = 1 << 16, SHA256_SIZE = 32 };

static const char base64_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void fill_random(lua_State *L, void *bytes, size_t length) {
  if (RAND_bytes(bytes, (int)length) != 1) luaL_error(L, "no random bytes: the system's source failed");
}

/* crypto.random(count) -> bytes */
static int random_bytes(lua_State *L) {
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count >= 1 && count <= LONGEST_RANDOM, 1, "1 to 65536 bytes");
  luaL_Buffer out;
  char *room = luaL_buffinitsize(L, &out, (size_t)count);
  fill_random(L, room, (size_t)count);
  luaL_pushresultsize(&out, (size_t)count);
  return 1;
}

/* crypto.uuid() -> text (RFC 9562, version 4) */
static int uuid(lua_State *L) {
  unsigned char b[16];
  char text[37];
  fill_random(L, b, sizeof b);
  b[6] = (b[6] & 0x0f) | 0x40;
  b[8] = (b[8] & 0x3f) | 0x80;
  snprintf(text, sizeof text, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2],
           b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
  lua_pushlstring(L, text, sizeof text - 1);
  return 1;
}

/* crypto.digest(algorithm, text) -> bytes */
static int digest(lua_State *L) {
  static const char *const algorithms[] = {"sha256", "sha1", NULL};
  const char *algorithm = algorithms[luaL_checkoption(L, 1, NULL, algorithms)];
  size_t length, size;
  const char *text = luaL_checklstring(L, 2, &length);
  unsigned char result[EVP_MAX_MD_SIZE];
  if (!EVP_Q_digest(NULL, algorithm, NULL, text, length, result, &size))
    return luaL_error(L, "OpenSSL does not offer %s", algorithm);
  lua_pushlstring(L, (const char *)result, size);
  return 1;
}

/* crypto.hmac(key, text) -> bytes (HMAC-SHA-256) */
static int hmac(lua_State *L) {
  const struct secret *key = secret_check(L, 1);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  unsigned char result[SHA256_SIZE];
  if (!HMAC(EVP_sha256(), key->bytes, (int)key->length, (const unsigned char *)text, length, result, NULL))
    return luaL_error(L, "OpenSSL could not compute an HMAC");
  lua_pushlstring(L, (const char *)result, sizeof result);
  return 1;
}

/* crypto.hex(bytes) -> text */
static int hex(lua_State *L) {
  static const char digits[] = "0123456789abcdef";
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  luaL_Buffer out;
  char *room = luaL_buffinitsize(L, &out, length * 2);
  for (size_t i = 0; i < length; i++) {
    room[2 * i] = digits[(unsigned char)bytes[i] >> 4];
    room[2 * i + 1] = digits[(unsigned char)bytes[i] & 15];
  }
  luaL_pushresultsize(&out, length * 2);
  return 1;
}

/* One group of at most three bytes as four letters. */
static void encode_group(const unsigned char *bytes, size_t count, const char *letters, char out[4]) {
  unsigned bits = 0;
  for (size_t i = 0; i < 3; i++) bits = bits << 8 | (i < count ? bytes[i] : 0);
  for (size_t i = 0; i < 4; i++) out[i] = i <= count ? letters[bits >> (18 - 6 * i) & 63] : '=';
}

/* Append the letters of these bytes; 0 when memory is out. */
static int append_base64(struct buffer *out, const char *letters, int padded, const void *bytes, size_t length) {
  const unsigned char *from = bytes;
  for (size_t i = 0; i < length; i += 3) {
    char group[4];
    size_t count = length - i < 3 ? length - i : 3;
    encode_group(from + i, count, letters, group);
    if (!buffer_append(out, group, padded ? 4 : count + 1)) return 0;
  }
  return 1;
}

static void push_base64(lua_State *L, const char *letters, int padded) {
  size_t length;
  const unsigned char *bytes = (const unsigned char *)luaL_checklstring(L, 1, &length);
  size_t groups = (length + 2) / 3, missing = groups * 3 - length;
  luaL_Buffer out;
  char *room = luaL_buffinitsize(L, &out, groups * 4);
  for (size_t i = 0; i < groups; i++) {
    size_t left = length - 3 * i;
    encode_group(bytes + 3 * i, left < 3 ? left : 3, letters, room + 4 * i);
  }
  luaL_pushresultsize(&out, groups * 4 - (padded ? 0 : missing));
}

int crypto_base64(struct buffer *out, const void *bytes, size_t length) {
  return append_base64(out, base64_letters, 1, bytes, length);
}

int crypto_base64url(struct buffer *out, const void *bytes, size_t length) {
  return append_base64(out, url_letters, 0, bytes, length);
}

/* crypto.base64(bytes) -> text */
static int base64(lua_State *L) {
  push_base64(L, base64_letters, 1);
  return 1;
}

/* crypto.base64url(bytes) -> text */
static int base64url(lua_State *L) {
  push_base64(L, url_letters, 0);
  return 1;
}

/* The six bits a letter of either alphabet stands for, or -1. */
static int letter_value(char c) {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '+' || c == '-') return 62;
  return c == '/' || c == '_' ? 63 : -1;
}

/* The length without padding, or SIZE_MAX when that is wrong. */
static size_t unpadded(const char *text, size_t length) {
  size_t padding = 0;
  while (padding < 2 && padding < length && text[length - padding - 1] == '=') padding++;
  if (padding && length % 4 != 0) return SIZE_MAX;
  return (length - padding) % 4 == 1 ? SIZE_MAX : length - padding;
}

/* Fill out with the bytes of that many letters; returns how many, or SIZE_MAX
 * when one is no letter or bits that belong to no byte are not 0: there is one
 * text for the same bytes. */
static size_t decode(const char *text, size_t length, char *out) {
  size_t filled = 0;
  unsigned bits = 0, held = 0;
  for (size_t i = 0; i < length; i++) {
    int value = letter_value(text[i]);
    if (value < 0) return SIZE_MAX;
    bits = (bits << 6 | (unsigned)value) & 0xfff;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    out[filled++] = (char)(bits >> held);
  }
  return bits & ((1u << held) - 1) ? SIZE_MAX : filled;
}

size_t crypto_unbase64(const char *text, size_t length, char *out) {
  length = unpadded(text, length);
  return length == SIZE_MAX ? SIZE_MAX : decode(text, length, out);
}

/* crypto.unbase64(text) -> bytes | nil */
static int unbase64(lua_State *L) {
  size_t length, size;
  const char *text = luaL_checklstring(L, 1, &length);
  luaL_Buffer out;
  char *room = luaL_buffinitsize(L, &out, length);
  size = crypto_unbase64(text, length, room);
  luaL_pushresultsize(&out, size == SIZE_MAX ? 0 : size);
  if (size == SIZE_MAX) luaL_pushfail(L);
  return 1;
}

static const struct secret *check_sealing_key(lua_State *L) {
  const struct secret *key = secret_check(L, 1);
  luaL_argcheck(L, key->length == CRYPTO_KEY_SIZE, 1, "a key of 32 bytes is expected");
  return key;
}

/* crypto.seal(key, binding, value) -> bytes */
static int seal(lua_State *L) {
  size_t length;
  const struct secret *key = check_sealing_key(L);
  const char *binding = luaL_checklstring(L, 2, &length);
  const struct secret *value = secret_check(L, 3);
  struct buffer *out = buffer_new(L);
  if (!crypto_seal(key, binding, length, value, out)) return luaL_error(L, "OpenSSL could not seal");
  lua_pushlstring(L, out->data, out->length);
  return 1;
}

/* crypto.open(key, binding, sealed) -> secret | nil, message */
static int unseal(lua_State *L) {
  size_t binding_length, length;
  const struct secret *key = check_sealing_key(L);
  const char *binding = luaL_checklstring(L, 2, &binding_length);
  const char *sealed = luaL_checklstring(L, 3, &length);
  if (crypto_open(L, key, binding, binding_length, sealed, length)) return 1;
  return lib_fail(L, "%s", lua_tostring(L, -1));
}

static const luaL_Reg functions[] = {{"random", random_bytes},
                                     {"uuid", uuid},
                                     {"digest", digest},
                                     {"hmac", hmac},
                                     {"hex", hex},
                                     {"base64", base64},
                                     {"base64url", base64url},
                                     {"unbase64", unbase64},
                                     {"seal", seal},
                                     {"seal_to", crypto_seal_to},
                                     {"open", unseal},
                                     {"key", crypto_make_key},
                                     {"certificate", crypto_certificate},
                                     {"x509", crypto_x509},
                                     {"public_key", crypto_public_key},
                                     {"jws", crypto_jws},
                                     {NULL, NULL}};

int luaopen_host_crypto(lua_State *L);
int luaopen_host_crypto(lua_State *L) {
  crypto_key_type(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, crypto_derive_functions, 0);
  return 1;
}
