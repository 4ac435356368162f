/* Cryptography for other native modules. */
#ifndef CRYPTO_H
#define CRYPTO_H

#include "secret.h"

enum { CRYPTO_KEY_SIZE = 32 }; /* bytes of a key that seals */

/* Append the secret sealed (AES-256-GCM with a fresh random nonce: nonce,
 * ciphertext, tag) under a key of CRYPTO_KEY_SIZE bytes, bound to some text
 * that has to be given again to open it. 0 when memory or random bytes are
 * out. */
int crypto_seal(const struct secret *key, const char *binding, size_t binding_length, const struct secret *value,
                struct buffer *out);

/* Push the secret and return 1; or push a message and return 0. What did not
 * prove whole is wiped and never registered. [-0, +1, e] */
int crypto_open(lua_State *L, const struct secret *key, const char *binding, size_t binding_length, const char *sealed,
                size_t length);

/* Append base64url without padding; 0 when memory is out. */
int crypto_base64url(struct buffer *out, const void *bytes, size_t length);

/* Functions of host.crypto that stand in crypto_derive.c. */
extern const luaL_Reg crypto_derive_functions[];

/* Define host.crypto.key, and push a function that makes one. [-0, +1, m] */
void crypto_push_key(lua_State *L);

#endif
