/* What a Lua state has for all its secrets: the heap they lie on and the index
 * that redaction searches. */
#ifndef SECRET_VAULT_H
#define SECRET_VAULT_H

#include "secret_index.h"

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
