/* host.secret: values that Lua passes on but cannot read.
 *
 * The bytes are on OpenSSL's secure heap: locked in memory where the system allows it, between guard pages, excluded
 * from core dumps, and wiped when freed. Lua has a userdata without access to the bytes; native modules read them
 * through secret.h.
 *
 * Ownership: a secret owns its bytes. The vault's index (secret_internal.h) borrows them until the secret is closed.
 */
#include "secret.h"

#include "base64.h"
#include "secret_internal.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <strings.h>

enum { MAX_PASSWORD = 256, MAX_RANDOM = 4096, MAX_HINT = 3 };
enum { MAX_COMPARISONS = 16 }; /* comparisons by scripts in one run */

/* The content of a userdata of type SECRET. Other files see only the first member. */
struct indexed_secret {
  struct secret secret;
  struct secret_needle needles[FORM_COUNT];
};

/* The classes of characters of a password. The symbols need no escape in forms, connection strings and files. */
static const char *const character_classes[] = {"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                                                "0123456789", "!#%*+-.:=?@^_~"};
enum { CLASS_COUNT = sizeof character_classes / sizeof *character_classes };
static const char *const class_names[CLASS_COUNT] = {"lower-case letter", "upper-case letter", "digit", "symbol"};

/* secret:close(), __close and __gc. Idempotent. */
static int secret_close(lua_State *L) {
  struct indexed_secret *indexed_secret = luaL_checkudata(L, 1, SECRET);
  if (!indexed_secret->secret.bytes) return 0;
  secret_index_remove(&secret_vault_get(L)->index, indexed_secret->needles);
  OPENSSL_secure_clear_free(indexed_secret->secret.bytes, indexed_secret->secret.length + 1);
  indexed_secret->secret.bytes = NULL;
  indexed_secret->secret.length = 0;
  return 0;
}

const struct secret *secret_test(lua_State *L, int index) {
  const struct secret *secret = luaL_testudata(L, index, SECRET);
  return secret && secret->bytes ? secret : NULL;
}

const struct secret *secret_check(lua_State *L, int index) {
  const struct secret *secret = luaL_checkudata(L, index, SECRET);
  luaL_argcheck(L, secret->bytes, index, "secret is closed");
  return secret;
}

static int secret_tostring(lua_State *L) {
  lua_pushliteral(L, "[secret]");
  return 1;
}

static int secret_concat(lua_State *L) {
  return luaL_error(L, "a secret cannot be joined to a text: pass the secret itself");
}

static int secret_compare(lua_State *L) {
  return luaL_error(L, "a secret has no order: use secret:equals(other) to compare");
}

/* #secret -> bytes */
static int secret_length(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)secret_check(L, 1)->length);
  return 1;
}

int secret_equal(const struct secret *a, const struct secret *b) {
  return a->length == b->length && CRYPTO_memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* secret:equals(other) -> boolean. For scripts. The number of calls is limited, because each answer reveals something
 * about the secret. */
static int secret_equals(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  const struct secret *other = secret_check(L, 2);
  struct vault *vault = secret_vault_get(L);
  if (vault->comparisons == MAX_COMPARISONS)
    return luaL_error(L,
                      "secrets cannot be compared: this run has made %d comparisons, which is the limit, so that "
                      "nobody finds a secret by guessing; compare what is public instead, such as a key's id",
                      (int)MAX_COMPARISONS);
  vault->comparisons++;
  lua_pushboolean(L, secret_equal(secret, other));
  return 1;
}

static const luaL_Reg secret_methods[] = {{"equals", secret_equals}, {"close", secret_close}, {NULL, NULL}};

static const luaL_Reg secret_metamethods[] = {{"__tostring", secret_tostring}, {"__concat", secret_concat},
                                              {"__lt", secret_compare},        {"__le", secret_compare},
                                              {"__len", secret_length},        {NULL, NULL}};

static void define_secret_type(lua_State *L) {
  int is_defined = luaL_getmetatable(L, SECRET) != LUA_TNIL;
  lua_pop(L, 1);
  if (is_defined) return;
  lib_type(L, SECRET, secret_methods, secret_close);
  luaL_getmetatable(L, SECRET);
  luaL_setfuncs(L, secret_metamethods, 0);
  lua_pop(L, 1);
}

/* Allocate on the secure heap; collect garbage when it is full. Unused secrets may wait for the collector, which
 * knows only their small userdata. */
static char *allocate_secure(lua_State *L, size_t size) {
  char *bytes = OPENSSL_secure_zalloc(size);
  if (bytes) return bytes;
  lua_gc(L, LUA_GCCOLLECT);
  return OPENSSL_secure_zalloc(size);
}

size_t secret_block_size(size_t length) {
  size_t size = HEAP_MINIMUM;
  while (size < length + 1) size *= 2;
  return size;
}

int secret_has_room(lua_State *L, size_t size) {
  secret_vault_get(L);
  if (!CRYPTO_secure_malloc_initialized() || size + CRYPTO_secure_used() <= secret_vault_size()) return 1;
  lua_gc(L, LUA_GCCOLLECT);
  return size + CRYPTO_secure_used() <= secret_vault_size();
}

struct secret *secret_reserve(lua_State *L, enum secret_kind kind, size_t length) {
  secret_vault_get(L);
  define_secret_type(L);
  struct indexed_secret *indexed_secret = lib_new(L, sizeof *indexed_secret, SECRET);
  indexed_secret->secret.bytes = length < secret_vault_size() ? allocate_secure(L, length + 1) : NULL;
  if (!indexed_secret->secret.bytes)
    luaL_error(
        L,
        "no memory for a secret of %I bytes: the heap for secrets (%d MiB) is full; close secrets that are not needed",
        (lua_Integer)length, (int)(secret_vault_size() >> 20));
  indexed_secret->secret.length = length;
  indexed_secret->secret.kind = kind;
  return &indexed_secret->secret;
}

void secret_register(lua_State *L) {
  struct indexed_secret *indexed_secret = luaL_checkudata(L, -1, SECRET);
  indexed_secret->secret.bytes[indexed_secret->secret.length] = '\0';
  if (!secret_index_add(&secret_vault_get(L)->index, &indexed_secret->secret, indexed_secret->needles))
    lib_no_memory(L);
}

struct secret *secret_new(lua_State *L, enum secret_kind kind, const char *bytes, size_t length) {
  struct secret *secret = secret_reserve(L, kind, length);
  if (length) memcpy(secret->bytes, bytes, length);
  secret_register(L);
  return secret;
}

struct secret *secret_take(lua_State *L, enum secret_kind kind, struct buffer *content) {
  struct secret *secret = secret_new(L, kind, content->data ? content->data : "", content->length);
  buffer_free(content);
  return secret;
}

enum secret_kind secret_check_kind(lua_State *L, int index, enum secret_kind otherwise) {
  static const char *const kinds[] = {"credential", "value", "proof", NULL}; /* as in enum secret_kind */
  return lua_isnoneornil(L, index) ? otherwise : (enum secret_kind)luaL_checkoption(L, index, NULL, kinds);
}

/* ---- functions of host.secret: for the library, not for scripts ---- */

/* secret.is(value) -> boolean */
static int secret_is(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, luaL_testudata(L, 1, SECRET) != NULL);
  return 1;
}

/* secret.from(text, kind?) -> secret */
static int secret_from(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  secret_new(L, secret_check_kind(L, 2, SECRET_VALUE), text, length);
  return 1;
}

/* secret.copy(secret, kind?) -> secret */
static int secret_copy(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  secret_new(L, secret_check_kind(L, 2, secret->kind), secret->bytes, secret->length);
  return 1;
}

/* secret.kind(secret) -> "credential", "value" or "proof" */
static int secret_kind_name(lua_State *L) {
  static const char *const names[] = {
      [SECRET_CREDENTIAL] = "credential", [SECRET_VALUE] = "value", [SECRET_PROOF] = "proof"};
  lua_pushstring(L, names[secret_check(L, 1)->kind]);
  return 1;
}

/* secret.equals(a, b) -> boolean */
static int secret_module_equals(lua_State *L) {
  const struct secret *a = secret_check(L, 1);
  lua_pushboolean(L, secret_equal(a, secret_check(L, 2)));
  return 1;
}

/* secret.hint(secret, count) -> text. Never more than a quarter of the secret. */
static int secret_hint(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  lua_Integer count = luaL_checkinteger(L, 2);
  luaL_argcheck(L, count >= 1 && count <= MAX_HINT, 2, "a hint has 1 to 3 characters");
  size_t most = secret->length / 4;
  lua_pushlstring(L, secret->bytes, (size_t)count < most ? (size_t)count : most);
  return 1;
}

static int password_character_class(char c) {
  for (int class = 0; class < CLASS_COUNT - 1; class ++)
    if (c && strchr(character_classes[class], c)) return class;
  return CLASS_COUNT - 1;
}

/* secret.classes(secret) -> number of character classes in it. A character that is not an ASCII letter or digit is a
 * symbol. */
static int secret_classes(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  int present[CLASS_COUNT] = {0}, count = 0;
  for (size_t i = 0; i < secret->length; i++) present[password_character_class(secret->bytes[i])] = 1;
  for (int class = 0; class < CLASS_COUNT; class ++) count += present[class];
  lua_pushinteger(L, count);
  return 1;
}

/* secret.contains(secret, text) -> boolean. Ignores the case of ASCII letters. */
static int secret_contains(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  luaL_argcheck(L, length > 0, 2, "a text that is not empty is expected");
  int found = 0;
  for (size_t i = 0; i + length <= secret->length && !found; i++)
    found = strncasecmp(secret->bytes + i, text, length) == 0;
  lua_pushboolean(L, found);
  return 1;
}

static void secret_fill_random(lua_State *L, void *bytes, size_t length) {
  if (RAND_priv_bytes(bytes, (int)length) != 1)
    luaL_error(L, "cannot draw random bytes: the system's random source failed");
}

/* secret.random(bytes) -> secret */
static int secret_random(lua_State *L) {
  lua_Integer length = luaL_checkinteger(L, 1);
  luaL_argcheck(L, length >= 1 && length <= MAX_RANDOM, 1, "1 to 4096 bytes");
  struct secret *secret = secret_reserve(L, SECRET_CREDENTIAL, (size_t)length);
  secret_fill_random(L, secret->bytes, secret->length);
  secret_register(L);
  return 1;
}

/* Random bytes that are drawn in advance: one byte costs as much as a hundred from OpenSSL. They are wiped
 * afterwards, because passwords are made of them. */
struct random_pool {
  unsigned char bytes[128];
  size_t left;
};

static unsigned char draw_password_byte(lua_State *L, struct random_pool *pool) {
  if (!pool->left) {
    secret_fill_random(L, pool->bytes, sizeof pool->bytes);
    pool->left = sizeof pool->bytes;
  }
  return pool->bytes[--pool->left];
}

/* Return a number below limit (at most 256), each equally likely: bytes in the last, incomplete multiple of limit are
 * discarded. */
static size_t password_random_below(lua_State *L, struct random_pool *pool, size_t limit) {
  unsigned char byte;
  do byte = draw_password_byte(L, pool);
  while (byte >= 256 - 256 % limit);
  return byte % limit;
}

struct alphabet {
  char letters[128];
  size_t length;
};

/* Append the characters of the class, without the excluded ones. */
static void append_password_class(struct alphabet *alphabet, int class, const char *excluded) {
  for (const char *c = character_classes[class]; *c; c++)
    if (!strchr(excluded, *c)) alphabet->letters[alphabet->length++] = *c;
}

static void check_excluded_password_characters(lua_State *L, const char *excluded) {
  for (int class = 0; class < CLASS_COUNT; class ++) {
    struct alphabet alphabet = {0};
    append_password_class(&alphabet, class, excluded);
    if (!alphabet.length) luaL_argerror(L, 2, lua_pushfstring(L, "leaves no %s", class_names[class]));
  }
}

static void shuffle_password(lua_State *L, struct random_pool *pool, char *bytes, size_t length) {
  for (size_t left = length; left > 1; left--) {
    size_t chosen = password_random_below(L, pool, left);
    char swapped = bytes[left - 1];
    bytes[left - 1] = bytes[chosen];
    bytes[chosen] = swapped;
  }
}

/* secret.generate(length, excluded?) -> secret */
static int secret_generate(lua_State *L) {
  lua_Integer length = luaL_checkinteger(L, 1);
  const char *excluded = luaL_optstring(L, 2, "");
  luaL_argcheck(L, length >= 8 && length <= MAX_PASSWORD, 1, "8 to 256 characters");
  check_excluded_password_characters(L, excluded);
  struct secret *secret = secret_reserve(L, SECRET_VALUE, (size_t)length);
  struct alphabet all = {0};
  struct random_pool pool = {0};
  for (int class = 0; class < CLASS_COUNT; class ++) {
    size_t start = all.length;
    append_password_class(&all, class, excluded);
    secret->bytes[class] = all.letters[start + password_random_below(L, &pool, all.length - start)];
  }
  for (size_t i = CLASS_COUNT; i < secret->length; i++)
    secret->bytes[i] = all.letters[password_random_below(L, &pool, all.length)];
  shuffle_password(L, &pool, secret->bytes, secret->length);
  OPENSSL_cleanse(&pool, sizeof pool);
  secret_register(L);
  return 1;
}

/* secret.base64(secret) -> secret: its bytes in base64, with padding (RFC 4648, section 4) */
static int secret_base64(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  struct secret *encoded = secret_reserve(L, secret->kind, (secret->length + 2) / 3 * 4);
  base64_encode(secret->bytes, secret->length, 0, encoded->bytes);
  secret_register(L);
  return 1;
}

/* secret.unbase64(secret) -> secret; nil when it is not base64 */
static int secret_unbase64(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  struct secret *decoded = secret_reserve(L, secret->kind, secret->length);
  size_t length = base64_decode(secret->bytes, secret->length, decoded->bytes);
  if (length == SIZE_MAX) return lua_pushnil(L), 1;
  decoded->length = length;
  secret_register(L);
  return 1;
}

/* secret.redact(text) -> text */
static int secret_redact_text(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  secret_redact(L, text, length);
  return 1;
}

/* secret.heap() -> "locked" | "unlocked" | "closed" */
static int secret_heap(lua_State *L) {
  static const char *const states[] = {"closed", "locked", "unlocked"};
  const struct vault *vault = secret_vault_find(L);
  lua_pushstring(L, states[vault ? vault->heap : HEAP_NONE]);
  return 1;
}

/* secret.room(mebibytes) */
static int secret_room(lua_State *L) {
  lua_Integer size = luaL_checkinteger(L, 1);
  luaL_argcheck(L, size >= 1 && size <= HEAP_MOST >> 20 && !(size & (size - 1)), 1, "1 to 64, a power of two");
  if (!secret_vault_set_size((size_t)size << 20))
    return luaL_error(L, "cannot change the size of the heap for secrets: there is a secret already");
  return 0;
}

static const luaL_Reg functions[] = {
    {"base64", secret_base64},
    {"classes", secret_classes},
    {"contains", secret_contains},
    {"copy", secret_copy},
    {"equals", secret_module_equals},
    {"from", secret_from},
    {"generate", secret_generate},
    {"heap", secret_heap},
    {"hint", secret_hint},
    {"is", secret_is},
    {"kind", secret_kind_name},
    {"random", secret_random},
    {"redact", secret_redact_text},
    {"room", secret_room},
    {"unbase64", secret_unbase64},
    {NULL, NULL},
};

int luaopen_host_secret(lua_State *L);
int luaopen_host_secret(lua_State *L) {
  define_secret_type(L);
  luaL_newlib(L, functions);
  return 1;
}
