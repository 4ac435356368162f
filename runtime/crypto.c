/* host.crypto: random bytes, digests, hexadecimal and base64 text. The other functions are in crypto_key.c,
 * crypto_certificate.c and crypto_jws.c (signing keys), crypto_seal.c and crypto_public.c (encryption),
 * crypto_derive.c (derived keys). All algorithms are OpenSSL's. */
#include "crypto.h"
#include "hex.h"

#include "base64.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_RANDOM = 1 << 16, SHA256_SIZE = 32 };

static void crypto_fill_random(lua_State *L, void *bytes, size_t length) {
  if (RAND_bytes(bytes, (int)length) != 1) luaL_error(L, "cannot draw random bytes: the system's random source failed");
}

/* crypto.random(count) -> bytes */
static int crypto_random(lua_State *L) {
  lua_Integer count = luaL_checkinteger(L, 1);
  luaL_argcheck(L, count >= 1 && count <= LONGEST_RANDOM, 1, "1 to 65536 bytes");
  luaL_Buffer buffer;
  char *space = luaL_buffinitsize(L, &buffer, (size_t)count);
  crypto_fill_random(L, space, (size_t)count);
  luaL_pushresultsize(&buffer, (size_t)count);
  return 1;
}

/* crypto.uuid() -> text (RFC 9562, version 4) */
static int crypto_uuid(lua_State *L) {
  unsigned char bytes[16];
  char text[37];
  crypto_fill_random(L, bytes, sizeof bytes);
  lua_pushlstring(L, hex_uuid(bytes, text), sizeof text - 1);
  return 1;
}

/* crypto.digest(algorithm, text) -> bytes */
static int crypto_digest(lua_State *L) {
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

/* crypto.hmac(key, text) -> secret of 32 bytes (HMAC-SHA-256), of the key's kind */
static int crypto_hmac(lua_State *L) {
  const struct secret *key = secret_check(L, 1);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  struct secret *result = secret_reserve(L, key->kind, SHA256_SIZE);
  if (!HMAC(EVP_sha256(), key->bytes, (int)key->length, (const unsigned char *)text, length,
            (unsigned char *)result->bytes, NULL))
    return luaL_error(L, "OpenSSL could not compute an HMAC");
  secret_register(L);
  return 1;
}

/* crypto.fingerprint(key, label) -> 8 hex digits of the HMAC, which identify a long random key. A short secret is
 * refused: it could be found by trying values until the digits agree. */
static int crypto_fingerprint(lua_State *L) {
  enum { FINGERPRINT_BYTES = 4 };
  const struct secret *key = secret_check(L, 1);
  size_t length;
  const char *label = luaL_checklstring(L, 2, &length);
  unsigned char digest[SHA256_SIZE];
  char text[2 * FINGERPRINT_BYTES];
  luaL_argcheck(L, key->length >= CRYPTO_KEY_SIZE, 1, "a key of 32 bytes or more is expected");
  if (!HMAC(EVP_sha256(), key->bytes, (int)key->length, (const unsigned char *)label, length, digest, NULL))
    return luaL_error(L, "OpenSSL could not compute an HMAC");
  hex_encode(digest, FINGERPRINT_BYTES, text);
  lua_pushlstring(L, text, sizeof text);
  return 1;
}

/* crypto.hex(bytes) -> text */
static int crypto_hex(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  luaL_Buffer buffer;
  char *space = luaL_buffinitsize(L, &buffer, length * 2);
  hex_encode(bytes, length, space);
  luaL_pushresultsize(&buffer, length * 2);
  return 1;
}

/* Push the base64 (padded) or base64url (unpadded) form of a secret, as a secret. */
static int push_secret_base64(lua_State *L, const struct secret *secret, int url) {
  struct secret *result = secret_reserve(L, secret->kind, (secret->length + 2) / 3 * 4);
  result->length = base64_encode(secret->bytes, secret->length, url, result->bytes);
  secret_register(L);
  return 1;
}

static int push_base64(lua_State *L, int url) {
  size_t length;
  if (secret_test(L, 1)) return push_secret_base64(L, secret_test(L, 1), url);
  const char *bytes = luaL_checklstring(L, 1, &length);
  luaL_Buffer buffer;
  char *space = luaL_buffinitsize(L, &buffer, (length + 2) / 3 * 4);
  luaL_pushresultsize(&buffer, base64_encode(bytes, length, url, space));
  return 1;
}

/* crypto.base64(bytes or secret) -> text or secret */
static int crypto_base64(lua_State *L) {
  return push_base64(L, 0);
}

/* crypto.base64url(bytes or secret) -> text or secret */
static int crypto_base64url(lua_State *L) {
  return push_base64(L, 1);
}

/* crypto.unbase64(text) -> bytes | nil */
static int crypto_unbase64(lua_State *L) {
  size_t length, size;
  const char *text = luaL_checklstring(L, 1, &length);
  luaL_Buffer buffer;
  char *space = luaL_buffinitsize(L, &buffer, length);
  size = base64_decode(text, length, space);
  luaL_pushresultsize(&buffer, size == SIZE_MAX ? 0 : size);
  if (size == SIZE_MAX) luaL_pushfail(L);
  return 1;
}

static const struct secret *check_sealing_key(lua_State *L) {
  const struct secret *key = secret_check(L, 1);
  luaL_argcheck(L, key->length == CRYPTO_KEY_SIZE, 1, "a key of 32 bytes is expected");
  return key;
}

/* crypto.seal(key, binding, value) -> bytes */
static int crypto_seal_secret(lua_State *L) {
  size_t length;
  const struct secret *key = check_sealing_key(L);
  const char *binding = luaL_checklstring(L, 2, &length);
  const struct secret *value = secret_check(L, 3);
  struct buffer *buffer = buffer_new(L);
  if (!crypto_seal(key, binding, length, value, buffer))
    return luaL_error(L, "cannot seal the secret: OpenSSL failed, or memory is out");
  lua_pushlstring(L, buffer->data, buffer->length);
  return 1;
}

/* crypto.open(key, binding, sealed, kind?) -> secret | nil, message */
static int crypto_open_secret(lua_State *L) {
  size_t binding_length, length;
  const struct secret *key = check_sealing_key(L);
  const char *binding = luaL_checklstring(L, 2, &binding_length);
  const char *sealed = luaL_checklstring(L, 3, &length);
  enum secret_kind kind = secret_check_kind(L, 4, SECRET_CREDENTIAL);
  if (crypto_open(L, kind, key, binding, binding_length, sealed, length)) return 1;
  return lib_fail(L, "%s", lua_tostring(L, -1));
}

static const luaL_Reg functions[] = {{"random", crypto_random},
                                     {"uuid", crypto_uuid},
                                     {"digest", crypto_digest},
                                     {"hmac", crypto_hmac},
                                     {"fingerprint", crypto_fingerprint},
                                     {"hex", crypto_hex},
                                     {"base64", crypto_base64},
                                     {"base64url", crypto_base64url},
                                     {"unbase64", crypto_unbase64},
                                     {"seal", crypto_seal_secret},
                                     {"seal_to", crypto_public_encrypt},
                                     {"open", crypto_open_secret},
                                     {"key", crypto_key_generate},
                                     {"certificate", crypto_certificate},
                                     {"private_key", crypto_certificate_private_key},
                                     {"x509", crypto_certificate_x509},
                                     {"self_signed", crypto_self_signed},
                                     {"public_key", crypto_certificate_public_key},
                                     {"jws", crypto_jws},
                                     {NULL, NULL}};

int luaopen_host_crypto(lua_State *L);
int luaopen_host_crypto(lua_State *L) {
  crypto_key_type(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, crypto_derive_functions, 0);
  return 1;
}
