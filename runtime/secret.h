/* Secrets: bytes that Lua may pass on but never read. */
#ifndef SECRET_H
#define SECRET_H

#include "lib.h"

#define SECRET "host.secret"

/* Have OpenSSL ask here for its memory, before it asks for any: then a lack of it does not end the program while the
 * heap for secrets is made. 0 when it has asked already. */
int secret_prepare(void);

/* Where a secret may go. What is made of a secret has the same kind. */
enum secret_kind {
  SECRET_CREDENTIAL, /* of a sign-in (password, token, key): C attaches it; it is never part of a body Lua builds */
  SECRET_VALUE,      /* minted or generated: goes to the members of a body that are declared to hold a secret */
  SECRET_PROOF       /* signed by a key: goes to the login service, and to the member "proof" of Graph's key calls */
};

struct secret {
  char *bytes; /* on OpenSSL's secure heap, followed by a NUL; NULL once closed */
  size_t length;
  enum secret_kind kind;
};

/* Push a secret with a copy of these bytes and register it for redaction.
 * Raises when the secure heap is full. [-0, +1, e] */
struct secret *secret_new(lua_State *L, enum secret_kind kind, const char *bytes, size_t length);

/* The same of what is in a buffer, which is wiped then and not only when it is
 * collected. [-0, +1, e] */
struct secret *secret_take(lua_State *L, enum secret_kind kind, struct buffer *content);

/* Push a secret of that many zero bytes for the caller to fill, so that they
 * are never anywhere else; the caller may lower length. It is redacted only
 * after secret_register. Raises when the secure heap is full. [-0, +1, e] */
struct secret *secret_reserve(lua_State *L, enum secret_kind kind, size_t length);

/* The kind named by the string argument ("credential", "value", "proof"), or the other one when it
 * is absent; raises an argument error for another name. */
enum secret_kind secret_check_kind(lua_State *L, int index, enum secret_kind otherwise);

/* Do both hold the same bytes? In constant time for secrets of one length. */
int secret_equal(const struct secret *a, const struct secret *b);

/* Register the filled secret at the top of the stack for redaction. [-0, +0, m] */
void secret_register(lua_State *L);

/* The open secret at this index; raises an argument error if it is none. */
const struct secret *secret_check(lua_State *L, int index);

/* The open secret at this index, or NULL. Never raises. */
const struct secret *secret_test(lua_State *L, int index);

/* Push text with every living secret replaced by [secret], in each form it
 * could appear in: as it is, percent-, form-, base64-, base64url-, hex- and
 * JSON-escaped. Secrets shorter than 6 bytes are not looked for. [-0, +1, m] */
void secret_redact(lua_State *L, const char *text, size_t length);

/* Is anything in the text that secret_redact would replace? [-0, +0, m] */
int secret_found(lua_State *L, const char *text, size_t length);

#endif
