/* What the files of host.secret share: the index that finds secrets in a text, and
 * what a Lua state has for all its secrets. */
#ifndef SECRET_INTERNAL_H
#define SECRET_INTERNAL_H

#include "secret.h"

#include <stdint.h>

/* ---- the index: many secrets are found in one pass, in every form but the escaped ones, which
 * secret_redact.c undoes first. No Lua here. ---- */

enum { SECRET_WINDOW = 6 }; /* bytes that are hashed; shorter secrets are not indexed */

enum secret_form { FORM_RAW, FORM_HEX, FORM_BASE64_0, FORM_BASE64_1, FORM_BASE64_2, FORM_COUNT };

/* One form of one secret, in the index. Lives inside the secret's userdata. */
struct secret_needle {
  struct secret_needle *next;
  const struct secret *secret;
  enum secret_form form;
};

struct secret_index {
  struct secret_needle **buckets; /* a power of two of them; NULL before the first add */
  size_t bucket_count, count;
  size_t stale;     /* removed since the filter was filled */
  uint64_t *filter; /* as many words as buckets, with a bit for each hash that may be there */
};

/* Where a secret stands in a text. Zero it, and secret_index_next gives one after the
 * other; they may overlap. */
struct secret_hit {
  size_t start, end;
  size_t position; /* where the search goes on */
  uint64_t window;
};

/* Add all forms of a secret; 0 when memory is out. */
int secret_index_add(struct secret_index *index, const struct secret *secret, struct secret_needle needles[FORM_COUNT]);

/* Take them out again, while the secret's bytes are still there. */
void secret_index_remove(struct secret_index *index, struct secret_needle needles[FORM_COUNT]);

/* The next hit; 0 when there is none. */
int secret_index_next(const struct secret_index *index, const char *text, size_t length, struct secret_hit *hit);

void secret_index_free(struct secret_index *index);

/* ---- the vault: the heap that secrets lie on, and their index ---- */

enum { HEAP_SIZE = 1 << 20, HEAP_MOST = 1 << 26, HEAP_MINIMUM = 16 }; /* bytes: of all secrets, of the smallest */

enum heap { HEAP_NONE, HEAP_LOCKED, HEAP_UNLOCKED };

struct vault {
  struct secret_index index;
  enum heap heap;
  unsigned comparisons; /* that scripts made */
};

/* Let all secrets of the process have that many bytes, a power of two, in
 * place of HEAP_SIZE; 0 when the heap is open already. */
int secret_vault_room(size_t size);

/* Bytes of all secrets. */
size_t secret_vault_size(void);

/* The vault, or NULL before the first secret. [-0, +0, -] */
struct vault *secret_vault_find(lua_State *L);

/* The vault, made if there is none. [-0, +0, m] */
struct vault *secret_vault_get(lua_State *L);

#endif
