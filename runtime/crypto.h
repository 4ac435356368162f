/* Cryptography for other native modules. */
#ifndef CRYPTO_H
#define CRYPTO_H

#include "secret.h"

#include <openssl/types.h>

#define KEY "host.crypto.key"

enum { CRYPTO_KEY_SIZE = 32 }; /* bytes of a key that seals */

/* An RSA key, with the certificate it came with. */
struct key {
  EVP_PKEY *pair;    /* NULL once closed */
  X509 *certificate; /* NULL when there is none */
  int is_private;    /* can it sign? */
  int is_secret;     /* it was read from a secret: what it signs is a secret, too */
};

enum jws_algorithm { JWS_NONE, JWS_RS256, JWS_PS256 };

/* Append the secret sealed (AES-256-GCM with a fresh random nonce: nonce,
 * ciphertext, tag) under a key of CRYPTO_KEY_SIZE bytes, bound to some text
 * that has to be given again to open it. 0 when memory or random bytes are
 * out. */
int crypto_seal(const struct secret *key, const char *binding, size_t binding_length, const struct secret *value,
                struct buffer *out);

/* Push the secret and return 1; or push a message and return 0. What did not
 * prove whole is wiped and never registered. [-0, +1, e] */
int crypto_open(lua_State *L, enum secret_kind kind, const struct secret *key, const char *binding,
                size_t binding_length, const char *sealed, size_t length);

/* Functions of host.crypto that stand in crypto_derive.c. */
extern const luaL_Reg crypto_derive_functions[];

/* Push an RSA key without a pair, for the caller to fill. [-0, +1, m] */
struct key *crypto_new_key(lua_State *L);

/* Does the signature (base64url) over the text belong to this key? */
int crypto_verifies(const struct key *key, enum jws_algorithm algorithm, const char *text, size_t length,
                    const char *signature, size_t signature_length);

/* What of these goes by the module's table: see stdlib/meta/host/crypto.lua. */
int crypto_make_key(lua_State *L);
int crypto_certificate(lua_State *L);
int crypto_private_key(lua_State *L);
int crypto_x509(lua_State *L);
int crypto_self_signed(lua_State *L);
int crypto_public_key(lua_State *L);
int crypto_jws(lua_State *L);
int crypto_seal_to(lua_State *L);

/* Methods of keys in the other files. */
int crypto_key_describe(lua_State *L);
int crypto_key_verify(lua_State *L);

/* The open key at this index; raises an argument error if it is none. */
struct key *crypto_check_key(lua_State *L, int index);

/* Define host.crypto.key. [-0, +0, m] */
void crypto_key_type(lua_State *L);

#endif
