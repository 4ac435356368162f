/* Cryptography: keys, signatures and sealed values, for host.crypto and other native modules. */
#ifndef CRYPTO_H
#define CRYPTO_H

#include "secret.h"

#include <openssl/types.h>

#define KEY "host.crypto.key"

enum { CRYPTO_KEY_SIZE = 32 }; /* bytes of a key for crypto_seal */

/* An RSA key, and the certificate that was read with the key. */
struct key {
  EVP_PKEY *pair;        /* NULL once closed */
  X509 *certificate;     /* NULL when there is none */
  int is_private;        /* the private half is there, so the key can sign */
  int is_secret;         /* the key was read from a secret, so what the key signs is a secret too */
  enum secret_kind kind; /* of that secret */
};

enum jws_algorithm { JWS_NONE, JWS_RS256, JWS_PS256 };

/* Seal the secret under a key of CRYPTO_KEY_SIZE bytes (AES-256-GCM: nonce, ciphertext, tag) and append the result to
 * out. The sealed value opens only with the same binding. 0 when memory or random bytes are out. */
int crypto_seal(const struct secret *key, const char *binding, size_t binding_length, const struct secret *value,
                struct buffer *out);

/* Open a sealed value: push the secret and return 1, or push a message and return 0. Plaintext that fails the check
 * is wiped and never registered as a secret. [-0, +1, e] */
int crypto_open(lua_State *L, enum secret_kind kind, const struct secret *key, const char *binding,
                size_t binding_length, const char *sealed, size_t length);

/* Return what follows "age1" in the first recipient of age in the text, at least as many characters as a recipient has;
 * NULL when there is none. */
const char *crypto_age_recipient(const char *text, size_t length);

/* Push a file of age that only the holder of the recipient's identity opens, as a secret of the value's kind; return
 * why not, or NULL. [-0, +0|+1, e] */
const char *crypto_age_seal(lua_State *L, const char *recipient, const struct secret *value);

/* The functions of host.crypto that are in crypto_derive.c. */
extern const luaL_Reg crypto_derive_functions[];

/* Push a key whose pair is NULL, for the caller to fill. [-0, +1, m] */
struct key *crypto_key_new(lua_State *L);

/* Is the signature (base64url) over the text valid for this key? */
int crypto_key_verify_signature(const struct key *key, enum jws_algorithm algorithm, const char *text, size_t length,
                                const char *signature, size_t signature_length);

/* Functions of host.crypto in the other files; stdlib/meta/host/crypto.lua describes them. */
int crypto_key_generate(lua_State *L);
int crypto_certificate(lua_State *L);
int crypto_certificate_private_key(lua_State *L);
int crypto_certificate_x509(lua_State *L);
int crypto_self_signed(lua_State *L);
int crypto_certificate_public_key(lua_State *L);
int crypto_jws(lua_State *L);
int crypto_public_encrypt(lua_State *L);

/* Methods of host.crypto.key in the other files: key:describe(), key:export() and key:verify(). */
int crypto_certificate_describe(lua_State *L);
int crypto_export(lua_State *L);
int crypto_jws_verify(lua_State *L);

/* Return the open key at index; raise an argument error when the value is closed or no key. */
struct key *crypto_key_check(lua_State *L, int index);

/* Push the private key, then its certificate, in PEM, as a secret of the key's kind. [-0, +1, e] */
void crypto_export_pem(lua_State *L, const struct key *key);

/* Define the type that owns what is exported, until it is pushed. [-0, +0, m] */
void crypto_export_type(lua_State *L);

/* Define the type host.crypto.key. [-0, +0, m] */
void crypto_key_type(lua_State *L);

#endif
