/* Secrets: bytes that Lua passes on but cannot read. */
#ifndef SECRET_H
#define SECRET_H

#include "lib.h"

#define SECRET "host.secret"

/* Make OpenSSL allocate through secret_vault.c, before it allocates: a lack of memory while the secure heap is made
 * would otherwise end the program. 0 when OpenSSL has allocated already. */
int secret_vault_prepare(void);

/* Where a secret may go. A secret that is made of another one has the same kind. */
enum secret_kind {
  SECRET_CREDENTIAL, /* of a sign-in (password, token, key): C attaches it to requests; it is never in a body that Lua
                        builds */
  SECRET_VALUE, /* made by a service or generated: it goes to members of a body that are declared to hold a secret */
  SECRET_PROOF  /* signed by a key: it goes to the login service, and to the member "proof" of Graph's key calls */
};

struct secret {
  char *bytes; /* on OpenSSL's secure heap, followed by a NUL; NULL once closed */
  size_t length;
  enum secret_kind kind;
};

/* Push a secret with a copy of these bytes, and register it for redaction. Raises an error when the secure heap is
 * full. [-0, +1, e] */
struct secret *secret_new(lua_State *L, enum secret_kind kind, const char *bytes, size_t length);

/* Push a secret with the content of the buffer, and wipe the buffer at once. [-0, +1, e] */
struct secret *secret_take(lua_State *L, enum secret_kind kind, struct buffer *content);

/* Push a secret of length zero bytes, which the caller fills in place, so that the bytes are nowhere else; the caller
 * may lower length. It is redacted only after secret_register. Raises an error when the secure heap is full. [-0, +1,
 * e] */
struct secret *secret_reserve(lua_State *L, enum secret_kind kind, size_t length);

/* Return the bytes of the secure heap that a secret of this length needs. */
size_t secret_block_size(size_t length);

/* Is there room on the secure heap for secrets that need size bytes in all? Collects garbage where it is full. [-0, +0,
 * m] */
int secret_has_room(lua_State *L, size_t size);

/* Return the kind that the string at index names ("credential", "value", "proof"), or otherwise when it is absent;
 * raise an argument error for another name. */
enum secret_kind secret_check_kind(lua_State *L, int index, enum secret_kind otherwise);

/* Are the bytes of both equal? Takes constant time for secrets of the same length. */
int secret_equal(const struct secret *a, const struct secret *b);

/* Register the filled secret on top of the stack for redaction. [-0, +0, m] */
void secret_register(lua_State *L);

/* Return the open secret at index; raise an argument error when it is closed or no secret. */
const struct secret *secret_check(lua_State *L, int index);

/* Return the open secret at index, or NULL. Never raises an error. */
const struct secret *secret_test(lua_State *L, int index);

/* Push text with every living secret replaced by [secret], in each form: plain, percent-, form-, base64-, base64url-,
 * hex- and JSON-encoded. Secrets shorter than 6 bytes are not found. [-0, +1, m] */
void secret_redact(lua_State *L, const char *text, size_t length);

/* Does the text contain anything that secret_redact would replace? [-0, +0, m] */
int secret_redact_finds(lua_State *L, const char *text, size_t length);

#endif
