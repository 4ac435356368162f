/* Read compact JWS that others signed, and verify them with a key. */
#include "crypto.h"

#include "base64.h"
#include "json.h"

#include <stdint.h>
#include <string.h>

/* The three parts of a compact JWS, as they are in its text. */
struct jws {
  const char *header, *claims, *signature;
  size_t header_length, claims_length, signature_length;
};

/* Text that may be a secret. */
static const char *check_text(lua_State *L, int index, size_t *length) {
  const struct secret *secret = secret_test(L, index);
  if (!secret) return luaL_checklstring(L, index, length);
  *length = secret->length;
  return secret->bytes;
}

static int split(struct jws *jws, const char *text, size_t length) {
  const char *end = text + length;
  const char *first = length ? memchr(text, '.', length) : NULL;
  const char *second = first ? memchr(first + 1, '.', (size_t)(end - first - 1)) : NULL;
  if (!second) return 0;
  *jws = (struct jws){
      text, first + 1, second + 1, (size_t)(first - text), (size_t)(second - first - 1), (size_t)(end - second - 1)};
  return 1;
}

/* Push the JSON object that a part holds and return 1; or push nothing and return 0. [-0, +1|+0, e] */
static int push_part(lua_State *L, const char *part, size_t length) {
  struct buffer *bytes = buffer_new(L); /* wiped: it may be part of a secret */
  int top = lua_gettop(L);
  buffer_add(L, bytes, part, length);
  size_t size = length ? base64_decode(part, length, bytes->data) : SIZE_MAX;
  int fine = size != SIZE_MAX && json_decode(L, bytes->data, size, NULL) && lua_istable(L, -1) && !json_is_array(L, -1);
  buffer_free(bytes);
  if (fine) lua_replace(L, top);
  lua_settop(L, fine ? top : top - 1);
  return fine;
}

int crypto_jws(lua_State *L) {
  struct jws jws;
  size_t length;
  const char *text = check_text(L, 1, &length);
  if (!split(&jws, text, length)) return lib_fail(L, "it is no signed token: it has no three parts");
  if (!push_part(L, jws.header, jws.header_length)) return lib_fail(L, "it is no signed token: its header is no JSON");
  if (!push_part(L, jws.claims, jws.claims_length)) return lib_fail(L, "it is no signed token: its claims are no JSON");
  return 2;
}

int crypto_key_verify(lua_State *L) {
  struct jws jws;
  size_t length;
  const struct key *key = crypto_check_key(L, 1);
  const char *name = luaL_checkstring(L, 2);
  const char *text = check_text(L, 3, &length);
  enum jws_algorithm algorithm = strcmp(name, "RS256") == 0   ? JWS_RS256
                                 : strcmp(name, "PS256") == 0 ? JWS_PS256
                                                              : JWS_NONE;
  int fine = split(&jws, text, length);
  lua_pushboolean(L, fine && crypto_verifies(key, algorithm, text, (size_t)(jws.signature - text - 1), jws.signature,
                                             jws.signature_length));
  return 1;
}
