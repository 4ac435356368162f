/* The vault of a Lua state: made with its first secret, found in the registry. */
#include "secret_vault.h"

#include <openssl/crypto.h>

#define VAULT "host.secret.vault"

static const char vault_key;
static size_t heap_size = HEAP_SIZE; /* the heap is the process's, and so is this */

static int vault_close(lua_State *L) {
  struct vault *vault = luaL_checkudata(L, 1, VAULT);
  index_free(&vault->index);
  return 0;
}

/* The heap is the process's: the first state in it opens it, and one that
 * comes later cannot know how that went. */
static enum heap open_heap(void) {
  if (CRYPTO_secure_malloc_initialized()) return HEAP_UNLOCKED;
  return CRYPTO_secure_malloc_init(heap_size, HEAP_MINIMUM) == 1 ? HEAP_LOCKED : HEAP_UNLOCKED;
}

int vault_room(size_t size) {
  if (CRYPTO_secure_malloc_initialized()) return 0;
  heap_size = size;
  return 1;
}

size_t vault_size(void) {
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

struct vault *vault_find(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &vault_key);
  struct vault *vault = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return vault;
}

struct vault *vault_get(lua_State *L) {
  struct vault *vault = vault_find(L);
  return vault ? vault : vault_open(L);
}
