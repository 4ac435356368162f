/* Declarations that the files of host.secret share: the index that finds secrets in a text, and the vault of a Lua
 * state. */
#ifndef SECRET_INTERNAL_H
#define SECRET_INTERNAL_H

#include "secret.h"

#include <stdint.h>

/* ---- the index (secret_index.c): finds many secrets in one pass, in every form but the escaped ones, which
 * secret_redact.c decodes first. No Lua here. ---- */

enum { SECRET_WINDOW = 6 }; /* length of the hashed window; shorter secrets are not in the index */

enum secret_form { FORM_RAW, FORM_HEX, FORM_BASE64_0, FORM_BASE64_1, FORM_BASE64_2, FORM_COUNT };

/* One form of one secret in the index. It is part of the secret's userdata. */
struct secret_needle {
  struct secret_needle *next, **link; /* link: what points to this needle */
  const struct secret *secret;
  enum secret_form form;
};

struct secret_index {
  struct secret_needle **buckets; /* the number is a power of two; NULL before the first add */
  size_t bucket_count, count;
  size_t removed;   /* needles removed since the filter was made */
  uint64_t *filter; /* one word per bucket; the bit of each hash that may be in the index is set */
};

/* Where a secret is in a text. Zero it first; each call of secret_index_next moves it to the next secret. Hits may
 * overlap. */
struct secret_hit {
  size_t start, end;
  size_t position; /* where the search continues */
  uint64_t window;
};

/* Add all forms of a secret to the index; 0 when memory is out. */
int secret_index_add(struct secret_index *index, const struct secret *secret, struct secret_needle needles[FORM_COUNT]);

/* Remove all forms of a secret from the index, before its bytes are freed. */
void secret_index_remove(struct secret_index *index, struct secret_needle needles[FORM_COUNT]);

/* Find the next hit; 0 when there is none. */
int secret_index_next(const struct secret_index *index, const char *text, size_t length, struct secret_hit *hit);

void secret_index_free(struct secret_index *index);

/* ---- the vault (secret_vault.c): the secure heap, and the index of its secrets ---- */

enum {
  HEAP_SIZE = 1 << 20,
  HEAP_MOST = 1 << 26,
  HEAP_MINIMUM = 16
}; /* bytes: of the heap, of the largest heap, of the smallest block */

enum heap_state { HEAP_NONE, HEAP_LOCKED, HEAP_UNLOCKED };

struct vault {
  struct secret_index index;
  enum heap_state heap;
  unsigned comparisons; /* comparisons that scripts made */
};

/* Set the size of the heap of all secrets of the process, a power of two, instead of HEAP_SIZE; 0 when the heap is
 * open already. */
int secret_vault_set_size(size_t size);

/* Return the size of the heap of all secrets. */
size_t secret_vault_size(void);

/* Return the vault, or NULL before the first secret. [-0, +0, -] */
struct vault *secret_vault_find(lua_State *L);

/* Return the vault; make it when there is none. [-0, +0, m] */
struct vault *secret_vault_get(lua_State *L);

#endif
