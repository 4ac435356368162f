/* A credential for one origin, such as an access token: the gate attaches it to requests that go to this origin. */
#ifndef CREDENTIAL_H
#define CREDENTIAL_H

#include "lib.h"

#define CREDENTIAL "host.credential"

struct credential {
  char *origin;        /* the only origin that the credential is sent to, written as in struct request */
  char *header;        /* "Authorization" or "tokenId" */
  struct buffer value; /* the whole header value ("Bearer …"); wiped when the credential is closed */
};

struct credential *credential_check(lua_State *L, int index);

/* Push a credential for the origin: the header with the value prefix + value. Raises an error when the value is empty
 * or has characters that no header may have. [-0, +1, e] */
struct credential *credential_new(lua_State *L, const char *origin, const char *header, const char *prefix,
                                  const char *value, size_t length);

/* Define the type host.credential. Idempotent. [-0, +0, m] */
void credential_type(lua_State *L);

#endif
