/* Seal secrets, and open sealed values; box.c does the encryption. */
#include "crypto.h"

#include "box.h"

#include <string.h>

int crypto_seal(const struct secret *key, const char *binding, size_t binding_length, const struct secret *value,
                struct buffer *out) {
  struct box_binding part = {binding, binding_length};
  unsigned char *box = buffer_extend(out, value->length + BOX_OVERHEAD);
  if (!box) return 0;
  if (box_seal((const unsigned char *)key->bytes, &part, 1, value->bytes, value->length, box)) return 1;
  explicit_bzero(box, value->length + BOX_OVERHEAD);
  out->length -= value->length + BOX_OVERHEAD;
  return 0;
}

int crypto_open(lua_State *L, enum secret_kind kind, const struct secret *key, const char *binding,
                size_t binding_length, const char *sealed, size_t length) {
  struct box_binding part = {binding, binding_length};
  if (length < BOX_OVERHEAD) {
    lua_pushliteral(L, "cannot open the sealed value: it is too short");
    return 0;
  }
  struct secret *secret = secret_reserve(L, kind, length - BOX_OVERHEAD);
  if (box_open((const unsigned char *)key->bytes, &part, 1, (const unsigned char *)sealed, length, secret->bytes)) {
    secret_register(L);
    return 1;
  }
  lua_pop(L, 1);
  lua_pushliteral(L,
                  "cannot open the sealed value: it was sealed with another key or for another use, or it was altered");
  return 0;
}
