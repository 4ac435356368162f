/* Credentials that the gate attaches to requests; see credential.h. */
#include "credential.h"

#include "request.h"

#include <stdlib.h>

struct credential *credential_check(lua_State *L, int index) {
  struct credential *credential = lib_check(L, index, CREDENTIAL);
  luaL_argcheck(L, credential->origin, index, "credential is closed");
  return credential;
}

/* credential:close(), __close and __gc. Idempotent. */
static int credential_close(lua_State *L) {
  struct credential *credential = lib_check(L, 1, CREDENTIAL);
  buffer_free(&credential->value);
  free(credential->header);
  free(credential->origin);
  *credential = (struct credential){0};
  return 0;
}

struct credential *credential_new(lua_State *L, const char *origin, const char *header, const char *prefix,
                                  const char *value, size_t length) {
  if (!request_is_token(header)) luaL_error(L, "cannot make a credential: '%s' is not a header name", header);
  /* A server chooses the token: with a line break in it, the server could add header lines. */
  if (!length || !request_is_header_text(value, length))
    luaL_error(L, "cannot make a credential for %s: its value is empty or has characters no header may have", origin);
  struct credential *credential = lib_new(L, sizeof *credential, CREDENTIAL);
  if (!buffer_append_string(&credential->value, prefix) || !buffer_append(&credential->value, value, length))
    lib_no_memory(L);
  credential->header = lib_copy(L, header);
  credential->origin = lib_copy(L, origin);
  return credential;
}

static int credential_origin(lua_State *L) {
  lua_pushstring(L, credential_check(L, 1)->origin);
  return 1;
}

void credential_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"origin", credential_origin}, {"close", credential_close}, {NULL, NULL}};
  lib_type(L, CREDENTIAL, methods, credential_close);
}
