/* Read and verify compact JWS (RFC 7515) that others signed. */
#include "crypto.h"

#include "base64.h"
#include "json.h"

#include <stdint.h>
#include <string.h>

/* The three parts of a compact JWS, as pointers into its text. */
struct jws {
  const char *header, *claims, *signature;
  size_t header_length, claims_length, signature_length;
};

/* Return the bytes of the argument at index, which is a string or a secret. */
static const char *check_text_or_secret(lua_State *L, int index, size_t *length) {
  const struct secret *secret = secret_test(L, index);
  if (!secret) return luaL_checklstring(L, index, length);
  *length = secret->length;
  return secret->bytes;
}

static int split_jws(struct jws *jws, const char *text, size_t length) {
  const char *end = text + length;
  const char *first = length ? memchr(text, '.', length) : NULL;
  const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
  if (!second) return 0;
  *jws = (struct jws){
      text, first + 1, second + 1, (size_t)(first - text), (size_t)(second - first - 1), (size_t)(end - second - 1)};
  return 1;
}

/* Decode a part of a JWS: push the JSON object and return 1, or push nothing and return 0. [-0, +1|+0, e] */
static int push_jws_part(lua_State *L, const char *part, size_t length) {
  struct buffer *bytes = buffer_new(L); /* wiped when collected: the part may belong to a secret */
  int top = lua_gettop(L);
  buffer_add(L, bytes, part, length);
  size_t size = length ? base64_decode(part, length, bytes->data) : SIZE_MAX;
  int ok =
      size != SIZE_MAX && json_decode(L, bytes->data, size, NULL) && lua_istable(L, -1) && !json_array_check(L, -1);
  buffer_free(bytes);
  if (ok) lua_replace(L, top);
  lua_settop(L, ok ? top : top - 1);
  return ok;
}

/* crypto.jws(text or secret) -> header, claims | nil, message */
int crypto_jws(lua_State *L) {
  struct jws jws;
  size_t length;
  const char *text = check_text_or_secret(L, 1, &length);
  if (!split_jws(&jws, text, length)) return lib_fail(L, "it is not a signed token: it does not have three parts");
  if (!push_jws_part(L, jws.header, jws.header_length))
    return lib_fail(L, "it is not a signed token: its header is not a JSON object");
  if (!push_jws_part(L, jws.claims, jws.claims_length))
    return lib_fail(L, "it is not a signed token: its claims are not a JSON object");
  return 2;
}

/* key:verify(algorithm, text or secret) -> boolean */
int crypto_jws_verify(lua_State *L) {
  struct jws jws;
  size_t length;
  const struct key *key = crypto_key_check(L, 1);
  const char *name = luaL_checkstring(L, 2);
  const char *text = check_text_or_secret(L, 3, &length);
  enum jws_algorithm algorithm = strcmp(name, "RS256") == 0   ? JWS_RS256
                                 : strcmp(name, "PS256") == 0 ? JWS_PS256
                                                              : JWS_NONE;
  int ok = split_jws(&jws, text, length);
  lua_pushboolean(L, ok && crypto_key_verify_signature(key, algorithm, text, (size_t)(jws.signature - text - 1),
                                                       jws.signature, jws.signature_length));
  return 1;
}
