/* The vault of a Lua state, made with its first secret and anchored in the registry; and the secure heap of the
 * process. */
#include "secret_internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define VAULT "host.secret.vault"

static const char vault_key;
static size_t heap_size = HEAP_SIZE; /* one per process, as the heap is */

static int vault_close(lua_State *L) {
  struct vault *vault = luaL_checkudata(L, 1, VAULT);
  secret_index_free(&vault->index);
  return 0;
}

/* Memory for the tables of OpenSSL's secure heap. OpenSSL ends the program when it cannot allocate a table while it
 * makes the heap, so this memory is allocated before and handed out then. The tables live as long as the process. */
static struct {
  char *memory;
  size_t size, used;
  int open;
} table_reserve;

static int is_in_heap_reserve(const void *block) {
  return table_reserve.memory && (const char *)block >= table_reserve.memory &&
         (const char *)block < table_reserve.memory + table_reserve.size;
}

static void *vault_malloc(size_t size, const char *file, int line) {
  (void)file, (void)line;
  size_t rounded = (size + 15) & ~(size_t)15;
  if (!size) return NULL;
  if (!table_reserve.open || rounded > table_reserve.size - table_reserve.used) return malloc(size);
  table_reserve.used += rounded;
  return table_reserve.memory + table_reserve.used - rounded;
}

static void *vault_realloc(void *block, size_t size, const char *file, int line) {
  (void)file, (void)line;
  return realloc(block, size);
}

static void vault_free(void *block, const char *file, int line) {
  (void)file, (void)line;
  if (!is_in_heap_reserve(block)) free(block);
}

int secret_vault_prepare(void) {
  return CRYPTO_set_mem_functions(vault_malloc, vault_realloc, vault_free) == 1;
}

/* Allocate the reserve: two tables with two bits for each smallest block, and a list. */
static int allocate_heap_reserve(void) {
  table_reserve.size = 2 * (heap_size / HEAP_MINIMUM * 2 / 8) + 4096;
  table_reserve.memory = calloc(1, table_reserve.size);
  return table_reserve.memory != NULL;
}

/* Open the secure heap of the process. A later Lua state finds it open and cannot tell whether it is locked. */
static enum heap_state open_secure_heap(void) {
  if (CRYPTO_secure_malloc_initialized() || !allocate_heap_reserve()) return HEAP_UNLOCKED;
  table_reserve.open = 1;
  int locked = CRYPTO_secure_malloc_init(heap_size, HEAP_MINIMUM) == 1;
  table_reserve.open = 0;
  return locked ? HEAP_LOCKED : HEAP_UNLOCKED;
}

int secret_vault_set_size(size_t size) {
  if (CRYPTO_secure_malloc_initialized()) return 0;
  heap_size = size;
  return 1;
}

size_t secret_vault_size(void) {
  return heap_size;
}

static struct vault *vault_open(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  lib_type(L, VAULT, none, vault_close);
  struct vault *vault = lib_new(L, sizeof *vault, VAULT);
  vault->heap = open_secure_heap();
  lua_rawsetp(L, LUA_REGISTRYINDEX, &vault_key);
  return vault;
}

struct vault *secret_vault_find(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &vault_key);
  struct vault *vault = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return vault;
}

struct vault *secret_vault_get(lua_State *L) {
  struct vault *vault = secret_vault_find(L);
  return vault ? vault : vault_open(L);
}
