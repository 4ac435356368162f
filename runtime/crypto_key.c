/* host.crypto.key: RSA keys that sign compact JWS (RFC 7515) with RS256 and PS256 (RFC 7518, 3.3 and 3.5).
 * crypto_certificate.c reads keys; crypto_jws.c verifies what others signed. */
#include "crypto.h"

#include "base64.h"
#include "json.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

enum {
  GENERATED_BITS = 2048,
  MAX_KEY_BYTES = 2048
}; /* bits of a key that is generated here; bytes of the longest key that is accepted */

static const char *const algorithms[] = {"RS256", "PS256", NULL}; /* as in enum jws_algorithm, from 1 */

struct key *crypto_key_check(lua_State *L, int index) {
  struct key *key = luaL_checkudata(L, index, KEY);
  luaL_argcheck(L, key->pair, index, "key is closed");
  return key;
}

static struct key *check_private_key(lua_State *L) {
  struct key *key = crypto_key_check(L, 1);
  luaL_argcheck(L, key->is_private, 1, "a private key is expected, and this key is public");
  return key;
}

/* key:close(), __close and __gc. Idempotent. */
static int key_close(lua_State *L) {
  struct key *key = luaL_checkudata(L, 1, KEY);
  EVP_PKEY_free(key->pair);
  X509_free(key->certificate);
  *key = (struct key){0};
  return 0;
}

static void append_jws_part(lua_State *L, struct buffer *out, const void *bytes, size_t length) {
  if (!base64_url_append(out, bytes, length)) lib_no_memory(L);
}

/* Append the JWS header with its alg member. The header is parsed and encoded again, so that exactly one JSON object
 * is signed. [-0, +0, e] */
static void append_jws_header(lua_State *L, struct buffer *out, int index, const char *algorithm) {
  size_t length;
  const char *text = lua_tolstring(L, index, &length);
  struct buffer *json = buffer_new(L);
  if (!json_decode(L, text, length, NULL)) luaL_argerror(L, index, lua_tostring(L, -1));
  luaL_argcheck(L, lua_istable(L, -1) && !json_array_check(L, -1), index, "a JSON object is expected");
  luaL_argcheck(L, lua_getfield(L, -1, "alg") == LUA_TNIL, index, "the header has an alg already");
  lua_pop(L, 1);
  lua_pushstring(L, algorithm);
  lua_setfield(L, -2, "alg");
  json_encode(L, -1, json, 0);
  append_jws_part(L, out, json->data, json->length);
  lua_pop(L, 2);
}

/* Append the claims unchanged, after checking that they are one JSON object. [-0, +0, e] */
static void append_jws_claims(lua_State *L, struct buffer *out, int index) {
  size_t length;
  const char *text = lua_tolstring(L, index, &length);
  if (!json_decode(L, text, length, NULL)) luaL_argerror(L, index, lua_tostring(L, -1));
  luaL_argcheck(L, lua_istable(L, -1) && !json_array_check(L, -1), index, "a JSON object is expected");
  append_jws_part(L, out, text, length);
  lua_pop(L, 1);
}

static int set_rsa_padding(EVP_PKEY_CTX *context, enum jws_algorithm algorithm) {
  if (algorithm == JWS_RS256) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

/* Sign the text: fill signature and return its length, or 0 when OpenSSL fails. */
static size_t sign_jws(EVP_PKEY *pair, enum jws_algorithm algorithm, const struct buffer *text,
                       unsigned char signature[MAX_KEY_BYTES]) {
  size_t size = MAX_KEY_BYTES;
  EVP_PKEY_CTX *context; /* belongs to digest */
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  int ok = digest && EVP_DigestSignInit(digest, &context, EVP_sha256(), NULL, pair) > 0 &&
           set_rsa_padding(context, algorithm) &&
           EVP_DigestSign(digest, signature, &size, (const unsigned char *)text->data, text->length) > 0;
  EVP_MD_CTX_free(digest);
  return ok ? size : 0;
}

int crypto_key_verify_signature(const struct key *key, enum jws_algorithm algorithm, const char *text, size_t length,
                                const char *signature, size_t signature_length) {
  char bytes[MAX_KEY_BYTES * 2];
  if (algorithm == JWS_NONE || signature_length > sizeof bytes) return 0;
  size_t size = base64_decode(signature, signature_length, bytes);
  if (size == SIZE_MAX) return 0;
  EVP_PKEY_CTX *context; /* belongs to digest */
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  int ok = digest && EVP_DigestVerifyInit(digest, &context, EVP_sha256(), NULL, key->pair) > 0 &&
           set_rsa_padding(context, algorithm) &&
           EVP_DigestVerify(digest, (const unsigned char *)bytes, size, (const unsigned char *)text, length) == 1;
  EVP_MD_CTX_free(digest);
  return ok;
}

/* Sign header and claims with the key at index 1, and push a buffer with the compact JWS. [-0, +1, e] */
static struct buffer *push_jws(lua_State *L) {
  struct key *key = check_private_key(L);
  int algorithm = luaL_checkoption(L, 2, NULL, algorithms);
  luaL_checkstring(L, 3);
  luaL_checkstring(L, 4);
  struct buffer *out = buffer_new(L);
  unsigned char signature[MAX_KEY_BYTES];
  append_jws_header(L, out, 3, algorithms[algorithm]);
  buffer_add(L, out, ".", 1);
  append_jws_claims(L, out, 4);
  size_t size = sign_jws(key->pair, (enum jws_algorithm)(algorithm + 1), out, signature);
  if (!size) luaL_error(L, "cannot sign with the key: OpenSSL failed");
  buffer_add(L, out, ".", 1);
  append_jws_part(L, out, signature, size);
  return out;
}

/* key:sign(algorithm, header, claims) -> compact JWS as text, only for a key that was not read from a secret */
static int key_sign(lua_State *L) {
  luaL_argcheck(L, !check_private_key(L)->is_secret, 1,
                "this key was read from a secret, so what it signs is a secret: use key:assertion");
  const struct buffer *out = push_jws(L);
  lua_pushlstring(L, out->data, out->length);
  return 1;
}

/* key:assertion(algorithm, header, claims) -> compact JWS as a secret */
static int key_assertion(lua_State *L) {
  secret_take(L, SECRET_PROOF, push_jws(L));
  return 1;
}

static void push_rsa_number(lua_State *L, const EVP_PKEY *pair, const char *name) {
  unsigned char bytes[MAX_KEY_BYTES];
  BIGNUM *number = NULL;
  int fits = EVP_PKEY_get_bn_param(pair, name, &number) && BN_num_bytes(number) <= MAX_KEY_BYTES;
  int length = fits ? BN_bn2bin(number, bytes) : -1;
  BN_free(number);
  if (length < 0) luaL_error(L, "cannot read the numbers of the key: OpenSSL failed");
  struct buffer *out = buffer_new(L);
  append_jws_part(L, out, bytes, (size_t)length);
  lua_pushlstring(L, out->data, out->length);
}

/* key:public() -> n, e */
static int key_public(lua_State *L) {
  struct key *key = crypto_key_check(L, 1);
  lua_settop(L, 1);
  push_rsa_number(L, key->pair, OSSL_PKEY_PARAM_RSA_N);
  push_rsa_number(L, key->pair, OSSL_PKEY_PARAM_RSA_E);
  lua_remove(L, -2);
  return 2;
}

struct key *crypto_key_new(lua_State *L) {
  return lib_new(L, sizeof(struct key), KEY);
}

/* crypto.key() -> a new RSA key */
int crypto_key_generate(lua_State *L) {
  struct key *key = crypto_key_new(L);
  key->pair = EVP_RSA_gen(GENERATED_BITS);
  if (!key->pair) return luaL_error(L, "cannot generate an RSA key: OpenSSL failed");
  key->is_private = 1;
  return 1;
}

void crypto_key_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"sign", key_sign},
                                     {"assertion", key_assertion},
                                     {"verify", crypto_jws_verify},
                                     {"describe", crypto_certificate_describe},
                                     {"export", crypto_export},
                                     {"public", key_public},
                                     {"close", key_close},
                                     {NULL, NULL}};
  lib_type(L, KEY, methods, key_close);
  crypto_export_type(L);
}
