/* Derive keys from a passphrase (scrypt, RFC 7914) or from another key. Derived keys are secrets, so they stay on the
 * secure heap. */
#include "crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

/* scrypt's parameters r and p, as RFC 7914 recommends. The work factor comes from a file, so it is limited: 2^20
 * needs a gigabyte of memory and several seconds. */
enum { SCRYPT_R = 8, SCRYPT_P = 1, MIN_WORK = 10, MAX_WORK = 20, MIN_SALT = 16 };

/* crypto.scrypt(passphrase, salt, work) -> secret | nil, message. scrypt's N is 2^work. */
static int crypto_scrypt(lua_State *L) {
  size_t salt_length;
  const struct secret *passphrase = secret_check(L, 1);
  const unsigned char *salt = (const unsigned char *)luaL_checklstring(L, 2, &salt_length);
  lua_Integer work_factor = luaL_checkinteger(L, 3);
  luaL_argcheck(L, salt_length >= MIN_SALT, 2, "at least 16 bytes");
  luaL_argcheck(L, work_factor >= MIN_WORK, 3, "a work factor of 2^10 or more");
  if (work_factor > MAX_WORK)
    return lib_fail(L, "a work factor of 2^%lld is refused: it may be 2^%d at most", (long long)work_factor, MAX_WORK);
  uint64_t rounds = (uint64_t)1 << work_factor, memory = 2 * 128 * SCRYPT_R * (rounds + SCRYPT_P + 2);
  struct secret *key = secret_reserve(L, SECRET_CREDENTIAL, CRYPTO_KEY_SIZE);
  if (EVP_PBE_scrypt(passphrase->bytes, passphrase->length, salt, salt_length, rounds, SCRYPT_R, SCRYPT_P, memory,
                     (unsigned char *)key->bytes, key->length) != 1)
    return lib_fail(L, "not enough memory: a work factor of 2^%lld takes %lld MiB", (long long)work_factor,
                    (long long)(128 * SCRYPT_R * rounds >> 20));
  secret_register(L);
  return 1;
}

/* crypto.derive(key, label) -> secret of 32 bytes: HMAC-SHA-256 of the label. */
static int crypto_derive(lua_State *L) {
  size_t length;
  const struct secret *key = secret_check(L, 1);
  const char *label = luaL_checklstring(L, 2, &length);
  luaL_argcheck(L, key->length >= CRYPTO_KEY_SIZE, 1, "a key of 32 bytes or more is expected");
  struct secret *derived = secret_reserve(L, key->kind, CRYPTO_KEY_SIZE);
  if (!HMAC(EVP_sha256(), key->bytes, (int)key->length, (const unsigned char *)label, length,
            (unsigned char *)derived->bytes, NULL))
    return luaL_error(L, "OpenSSL could not compute an HMAC");
  secret_register(L);
  return 1;
}

const luaL_Reg crypto_derive_functions[] = {{"scrypt", crypto_scrypt}, {"derive", crypto_derive}, {NULL, NULL}};
