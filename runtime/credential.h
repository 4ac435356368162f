/* What proves who we are to one origin: the gate attaches it to requests that go there. */
#ifndef CREDENTIAL_H
#define CREDENTIAL_H

#include "lib.h"

#define CREDENTIAL "host.credential"

struct credential {
  char *origin;        /* where it may go: as in struct request */
  char *header;        /* "Authorization" or "tokenId" */
  struct buffer value; /* the whole header value ("Bearer …"); wiped with it */
};

struct credential *credential_check(lua_State *L, int index);

/* Push a credential for this origin; raises when the value is empty or has
 * characters that no header may have. [-0, +1, e] */
struct credential *credential_new(lua_State *L, const char *origin, const char *header, const char *prefix,
                                  const char *value, size_t length);

/* Define the type. Idempotent. [-0, +0, m] */
void credential_type(lua_State *L);

#endif
