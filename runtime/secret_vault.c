/* The vault of a Lua state: made with its first secret, found in the registry. */
#include "secret_internal.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define VAULT "host.secret.vault"

static const char vault_key;
static size_t heap_size = HEAP_SIZE; /* the heap is the process's, and so is this */

static int vault_close(lua_State *L) {
  struct vault *vault = luaL_checkudata(L, 1, VAULT);
  secret_index_free(&vault->index);
  return 0;
}

/* While OpenSSL makes its secure heap, it ends the program when one of the heap's tables cannot be had. So the memory
 * for them is got before, and given out then. The tables stay as long as the process. */
static struct {
  char *memory;
  size_t size, used;
  int open;
} reserve;

static int is_reserved(const void *block) {
  return reserve.memory && (const char *)block >= reserve.memory && (const char *)block < reserve.memory + reserve.size;
}

static void *allocate(size_t size, const char *file, int line) {
  (void)file, (void)line;
  size_t rounded = (size + 15) & ~(size_t)15;
  if (!size) return NULL;
  if (!reserve.open || rounded > reserve.size - reserve.used) return malloc(size);
  reserve.used += rounded;
  return reserve.memory + reserve.used - rounded;
}

static void *resize(void *block, size_t size, const char *file, int line) {
  (void)file, (void)line;
  return realloc(block, size);
}

static void release(void *block, const char *file, int line) {
  (void)file, (void)line;
  if (!is_reserved(block)) free(block);
}

int secret_prepare(void) {
  return CRYPTO_set_mem_functions(allocate, resize, release) == 1;
}

/* Two tables with two bits for each smallest block, and a list. */
static int fill_reserve(void) {
  reserve.size = 2 * (heap_size / HEAP_MINIMUM * 2 / 8) + 4096;
  reserve.memory = calloc(1, reserve.size);
  return reserve.memory != NULL;
}

/* The heap is the process's: the first state in it opens it, and one that
 * comes later cannot know how that went. */
static enum heap open_heap(void) {
  if (CRYPTO_secure_malloc_initialized() || !fill_reserve()) return HEAP_UNLOCKED;
  reserve.open = 1;
  int locked = CRYPTO_secure_malloc_init(heap_size, HEAP_MINIMUM) == 1;
  reserve.open = 0;
  return locked ? HEAP_LOCKED : HEAP_UNLOCKED;
}

int secret_vault_room(size_t size) {
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
  vault->heap = open_heap();
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
