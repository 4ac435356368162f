/* Derived keys: from a passphrase (scrypt, RFC 7914), and from another key. They stay on the secure heap. */
#include "crypto.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

/* r and p as RFC 7914 advises. The work factor comes from the file, so it is capped: 2^20 takes a gigabyte and
 * several seconds. */
enum { BLOCK = 8, PARALLEL = 1, LEAST_WORK = 10, MOST_WORK = 20, LEAST_SALT = 16 };

/* crypto.scrypt(passphrase, salt, work) -> secret | nil, message. work: N is 2^work. */
static int scrypt(lua_State *L) {
  size_t salt_length;
  const struct secret *passphrase = secret_check(L, 1);
  const unsigned char *salt = (const unsigned char *)luaL_checklstring(L, 2, &salt_length);
  lua_Integer work = luaL_checkinteger(L, 3);
  luaL_argcheck(L, salt_length >= LEAST_SALT, 2, "at least 16 bytes");
  luaL_argcheck(L, work >= LEAST_WORK, 3, "a work factor of 2^10 or more");
  if (work > MOST_WORK)
    return lib_fail(L, "a work factor of 2^%lld is refused: it may be 2^%d at most", (long long)work, MOST_WORK);
  uint64_t rounds = (uint64_t)1 << work, memory = 2 * 128 * BLOCK * (rounds + PARALLEL + 2);
  struct secret *key = secret_reserve(L, SECRET_CREDENTIAL, CRYPTO_KEY_SIZE);
  if (EVP_PBE_scrypt(passphrase->bytes, passphrase->length, salt, salt_length, rounds, BLOCK, PARALLEL, memory,
                     (unsigned char *)key->bytes, key->length) != 1)
    return lib_fail(L, "not enough memory: a work factor of 2^%lld takes %lld MiB", (long long)work,
                    (long long)(128 * BLOCK * rounds >> 20));
  secret_register(L);
  return 1;
}

/* crypto.derive(key, label) -> secret of 32 bytes: HMAC-SHA-256 of the label. */
static int derive(lua_State *L) {
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

const luaL_Reg crypto_derive_functions[] = {{"scrypt", scrypt}, {"derive", derive}, {NULL, NULL}};
