/* host.crypto.key: RSA keys that sign compact JWS (RFC 7515), RS256 and PS256
 * (RFC 7518, 3.3 and 3.5). */
#include "crypto.h"

#include "json.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

#define KEY "host.crypto.key"

enum { KEY_BITS = 2048, KEY_BYTES = KEY_BITS / 8 };

struct key {
  EVP_PKEY *pair; /* NULL once closed */
};

static const char *const algorithms[] = {"RS256", "PS256", NULL};
enum { RS256, PS256 };

static struct key *check_key(lua_State *L) {
  struct key *key = luaL_checkudata(L, 1, KEY);
  luaL_argcheck(L, key->pair, 1, "key is closed");
  return key;
}

/* key:close(), __close and __gc. Idempotent. */
static int key_close(lua_State *L) {
  struct key *key = luaL_checkudata(L, 1, KEY);
  EVP_PKEY_free(key->pair);
  key->pair = NULL;
  return 0;
}

static void append(lua_State *L, struct buffer *out, const void *bytes, size_t length) {
  if (!crypto_base64url(out, bytes, length)) luaL_error(L, "out of memory");
}

/* Append the header with its alg member. It is read and written anew, so that
 * what is signed is one JSON object. [-0, +0, e] */
static void append_header(lua_State *L, struct buffer *out, int index, const char *algorithm) {
  size_t length;
  const char *text = lua_tolstring(L, index, &length);
  struct buffer *whole = buffer_new(L);
  if (!json_decode(L, text, length, NULL)) luaL_argerror(L, index, lua_tostring(L, -1));
  luaL_argcheck(L, lua_istable(L, -1) && !json_is_array(L, -1), index, "a JSON object is expected");
  luaL_argcheck(L, lua_getfield(L, -1, "alg") == LUA_TNIL, index, "the header has an alg already");
  lua_pop(L, 1);
  lua_pushstring(L, algorithm);
  lua_setfield(L, -2, "alg");
  json_encode(L, -1, whole, 0);
  append(L, out, whole->data, whole->length);
  lua_pop(L, 2);
}

/* Append the claims as they are, once they are known to be an object. [-0, +0, e] */
static void append_claims(lua_State *L, struct buffer *out, int index) {
  size_t length;
  const char *text = lua_tolstring(L, index, &length);
  if (!json_decode(L, text, length, NULL)) luaL_argerror(L, index, lua_tostring(L, -1));
  luaL_argcheck(L, lua_istable(L, -1) && !json_is_array(L, -1), index, "a JSON object is expected");
  append(L, out, text, length);
  lua_pop(L, 1);
}

static int set_padding(EVP_PKEY_CTX *context, int algorithm) {
  if (algorithm == RS256) return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) > 0;
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

static int sign(EVP_PKEY *pair, int algorithm, const struct buffer *text, unsigned char signature[KEY_BYTES]) {
  size_t size = KEY_BYTES;
  EVP_PKEY_CTX *context; /* belongs to digest */
  EVP_MD_CTX *digest = EVP_MD_CTX_new();
  int fine = digest && EVP_DigestSignInit(digest, &context, EVP_sha256(), NULL, pair) > 0 &&
             set_padding(context, algorithm) &&
             EVP_DigestSign(digest, signature, &size, (const unsigned char *)text->data, text->length) > 0;
  EVP_MD_CTX_free(digest);
  return fine && size == KEY_BYTES;
}

static void append_dot(lua_State *L, struct buffer *out) {
  if (!buffer_append(out, ".", 1)) luaL_error(L, "out of memory");
}

/* key:sign(algorithm, header, claims) -> compact JWS */
static int key_sign(lua_State *L) {
  struct key *key = check_key(L);
  int algorithm = luaL_checkoption(L, 2, NULL, algorithms);
  luaL_checkstring(L, 3);
  luaL_checkstring(L, 4);
  struct buffer *out = buffer_new(L);
  unsigned char signature[KEY_BYTES];
  append_header(L, out, 3, algorithms[algorithm]);
  append_dot(L, out);
  append_claims(L, out, 4);
  if (!sign(key->pair, algorithm, out, signature)) return luaL_error(L, "OpenSSL could not sign");
  append_dot(L, out);
  append(L, out, signature, sizeof signature);
  lua_pushlstring(L, out->data, out->length);
  return 1;
}

static void push_number(lua_State *L, const EVP_PKEY *pair, const char *name) {
  unsigned char bytes[KEY_BYTES];
  BIGNUM *number = NULL;
  int length = EVP_PKEY_get_bn_param(pair, name, &number) ? BN_bn2bin(number, bytes) : -1;
  BN_free(number);
  if (length < 0) luaL_error(L, "OpenSSL could not read the key");
  struct buffer *out = buffer_new(L);
  append(L, out, bytes, (size_t)length);
  lua_pushlstring(L, out->data, out->length);
}

/* key:public() -> n, e */
static int key_public(lua_State *L) {
  struct key *key = check_key(L);
  lua_settop(L, 1);
  push_number(L, key->pair, OSSL_PKEY_PARAM_RSA_N);
  push_number(L, key->pair, OSSL_PKEY_PARAM_RSA_E);
  lua_remove(L, -2);
  return 2;
}

/* crypto.key() -> key */
static int make_key(lua_State *L) {
  struct key *key = lib_new(L, sizeof *key, KEY);
  key->pair = EVP_RSA_gen(KEY_BITS);
  if (!key->pair) return luaL_error(L, "OpenSSL could not make a key");
  return 1;
}

void crypto_push_key(lua_State *L) {
  static const luaL_Reg methods[] = {{"sign", key_sign}, {"public", key_public}, {"close", key_close}, {NULL, NULL}};
  lib_type(L, KEY, methods, key_close);
  lua_pushcfunction(L, make_key);
}
