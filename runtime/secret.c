/* host.secret: values that can be passed on but not read.
 *
 * The bytes are on OpenSSL's secure heap: locked in memory where the system allows it, between guard pages,
 * left out of core dumps, and wiped when freed. Lua holds a userdata that gives no access to the bytes; native
 * modules read them through secret.h.
 *
 * Ownership: a secret owns its bytes. The vault's index (secret_internal.h) borrows them until the secret is
 * closed.
 */
#include "secret.h"

#include "secret_internal.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <strings.h>

enum { LONGEST_PASSWORD = 256, LONGEST_RANDOM = 4096, LONGEST_HINT = 3 };
enum { COMPARISONS = 16 }; /* by scripts, a run */

/* What a userdata of type SECRET is; others see only its first member. */
struct living {
  struct secret secret;
  struct secret_needle needles[FORM_COUNT];
};

/* Symbols that need no escape in the forms, connection strings and files
 * passwords are pasted into. */
static const char *const classes[] = {"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789",
                                      "!#%*+-.:=?@^_~"};
enum { CLASS_COUNT = sizeof classes / sizeof *classes };
static const char *const class_names[CLASS_COUNT] = {"lower-case letter", "upper-case letter", "digit", "symbol"};

/* secret:close(), __close and __gc. Idempotent. */
static int secret_close(lua_State *L) {
  struct living *living = luaL_checkudata(L, 1, SECRET);
  if (!living->secret.bytes) return 0;
  secret_index_remove(&secret_vault_get(L)->index, living->needles);
  OPENSSL_secure_clear_free(living->secret.bytes, living->secret.length + 1);
  living->secret.bytes = NULL;
  living->secret.length = 0;
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
  return luaL_error(L, "a secret cannot be joined to text: pass the secret itself to what needs it");
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

/* secret:equals(other) -> boolean. For scripts, and counted: each answer tells something. */
static int secret_equals(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  const struct secret *other = secret_check(L, 2);
  struct vault *vault = secret_vault_get(L);
  if (vault->comparisons == COMPARISONS)
    return luaL_error(L,
                      "secrets cannot be compared: this run has compared %d already, which is all it may, so that "
                      "nobody finds a secret by guessing; compare what is public instead, such as a key's id",
                      (int)COMPARISONS);
  vault->comparisons++;
  lua_pushboolean(L, secret_equal(secret, other));
  return 1;
}

static const luaL_Reg secret_methods[] = {{"equals", secret_equals}, {"close", secret_close}, {NULL, NULL}};

static const luaL_Reg secret_metamethods[] = {{"__tostring", secret_tostring}, {"__concat", secret_concat},
                                              {"__lt", secret_compare},        {"__le", secret_compare},
                                              {"__len", secret_length},        {NULL, NULL}};

static void define_type(lua_State *L) {
  int known = luaL_getmetatable(L, SECRET) != LUA_TNIL;
  lua_pop(L, 1);
  if (known) return;
  lib_type(L, SECRET, secret_methods, secret_close);
  luaL_getmetatable(L, SECRET);
  luaL_setfuncs(L, secret_metamethods, 0);
  lua_pop(L, 1);
}

/* Collect garbage when memory is out: unused secrets may wait for the collector, which sees only their small
 * userdata. */
static char *allocate(lua_State *L, size_t size) {
  char *bytes = OPENSSL_secure_zalloc(size);
  if (bytes) return bytes;
  lua_gc(L, LUA_GCCOLLECT);
  return OPENSSL_secure_zalloc(size);
}

struct secret *secret_reserve(lua_State *L, enum secret_kind kind, size_t length) {
  secret_vault_get(L);
  define_type(L);
  struct living *living = lib_new(L, sizeof *living, SECRET);
  living->secret.bytes = length < secret_vault_size() ? allocate(L, length + 1) : NULL;
  if (!living->secret.bytes)
    luaL_error(L, "no room for a secret of %I bytes: the memory for secrets (%d MiB) is full; close those done with",
               (lua_Integer)length, (int)(secret_vault_size() >> 20));
  living->secret.length = length;
  living->secret.kind = kind;
  return &living->secret;
}

void secret_register(lua_State *L) {
  struct living *living = luaL_checkudata(L, -1, SECRET);
  living->secret.bytes[living->secret.length] = '\0';
  if (!secret_index_add(&secret_vault_get(L)->index, &living->secret, living->needles)) lib_no_memory(L);
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

/* ---- the module: for the library, not for scripts ---- */

/* secret.is(value) -> boolean */
static int is_secret(lua_State *L) {
  luaL_checkany(L, 1);
  lua_pushboolean(L, luaL_testudata(L, 1, SECRET) != NULL);
  return 1;
}

/* secret.from(text, kind?) -> secret */
static int from(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  secret_new(L, secret_check_kind(L, 2, SECRET_VALUE), text, length);
  return 1;
}

/* secret.copy(secret, kind?) -> secret */
static int copy(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  secret_new(L, secret_check_kind(L, 2, secret->kind), secret->bytes, secret->length);
  return 1;
}

/* secret.kind(secret) -> "credential", "value" or "proof" */
static int kind_of(lua_State *L) {
  static const char *const names[] = {
      [SECRET_CREDENTIAL] = "credential", [SECRET_VALUE] = "value", [SECRET_PROOF] = "proof"};
  lua_pushstring(L, names[secret_check(L, 1)->kind]);
  return 1;
}

/* secret.equals(a, b) -> boolean */
static int equals(lua_State *L) {
  const struct secret *a = secret_check(L, 1);
  lua_pushboolean(L, secret_equal(a, secret_check(L, 2)));
  return 1;
}

/* secret.hint(secret, count) -> text. Never more than a quarter of the secret. */
static int hint(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  lua_Integer count = luaL_checkinteger(L, 2);
  luaL_argcheck(L, count >= 1 && count <= LONGEST_HINT, 2, "a hint has 1 to 3 characters");
  size_t most = secret->length / 4;
  lua_pushlstring(L, secret->bytes, (size_t)count < most ? (size_t)count : most);
  return 1;
}

static int class_of(char c) {
  for (int class = 0; class < CLASS_COUNT - 1; class ++)
    if (c && strchr(classes[class], c)) return class;
  return CLASS_COUNT - 1;
}

/* secret.classes(secret) -> integer. What is no ASCII letter or digit is a symbol. */
static int count_classes(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  int present[CLASS_COUNT] = {0}, count = 0;
  for (size_t i = 0; i < secret->length; i++) present[class_of(secret->bytes[i])] = 1;
  for (int class = 0; class < CLASS_COUNT; class ++) count += present[class];
  lua_pushinteger(L, count);
  return 1;
}

/* secret.contains(secret, text) -> boolean. ASCII letters count alike in either case. */
static int contains(lua_State *L) {
  const struct secret *secret = secret_check(L, 1);
  size_t length;
  const char *text = luaL_checklstring(L, 2, &length);
  luaL_argcheck(L, length > 0, 2, "nothing to look for");
  int found = 0;
  for (size_t i = 0; i + length <= secret->length && !found; i++)
    found = strncasecmp(secret->bytes + i, text, length) == 0;
  lua_pushboolean(L, found);
  return 1;
}

static void fill_random(lua_State *L, void *bytes, size_t length) {
  if (RAND_priv_bytes(bytes, (int)length) != 1) luaL_error(L, "no random bytes: the system's source failed");
}

/* secret.random(bytes) -> secret */
static int random_bytes(lua_State *L) {
  lua_Integer length = luaL_checkinteger(L, 1);
  luaL_argcheck(L, length >= 1 && length <= LONGEST_RANDOM, 1, "1 to 4096 bytes");
  struct secret *secret = secret_reserve(L, SECRET_CREDENTIAL, (size_t)length);
  fill_random(L, secret->bytes, secret->length);
  secret_register(L);
  return 1;
}

/* Random bytes that are drawn ahead: one costs as much as a hundred from OpenSSL. Wiped afterwards, because
 * passwords are made of them. */
struct draws {
  unsigned char bytes[128];
  size_t left;
};

static unsigned char draw(lua_State *L, struct draws *draws) {
  if (!draws->left) {
    fill_random(L, draws->bytes, sizeof draws->bytes);
    draws->left = sizeof draws->bytes;
  }
  return draws->bytes[--draws->left];
}

/* A number below limit (at most 256), each equally likely: draws in the last, incomplete multiple of limit are
 * discarded. */
static size_t random_below(lua_State *L, struct draws *draws, size_t limit) {
  unsigned char drawn;
  do drawn = draw(L, draws);
  while (drawn >= 256 - 256 % limit);
  return drawn % limit;
}

struct alphabet {
  char letters[128];
  size_t length;
};

/* The class's letters without the excluded ones, appended. */
static void add_class(struct alphabet *alphabet, int class, const char *excluded) {
  for (const char *c = classes[class]; *c; c++)
    if (!strchr(excluded, *c)) alphabet->letters[alphabet->length++] = *c;
}

static void check_classes(lua_State *L, const char *excluded) {
  for (int class = 0; class < CLASS_COUNT; class ++) {
    struct alphabet alphabet = {0};
    add_class(&alphabet, class, excluded);
    if (!alphabet.length) luaL_argerror(L, 2, lua_pushfstring(L, "leaves no %s", class_names[class]));
  }
}

static void shuffle(lua_State *L, struct draws *draws, char *bytes, size_t length) {
  for (size_t left = length; left > 1; left--) {
    size_t chosen = random_below(L, draws, left);
    char swapped = bytes[left - 1];
    bytes[left - 1] = bytes[chosen];
    bytes[chosen] = swapped;
  }
}

/* secret.generate(length, excluded?) -> secret */
static int generate(lua_State *L) {
  lua_Integer length = luaL_checkinteger(L, 1);
  const char *excluded = luaL_optstring(L, 2, "");
  luaL_argcheck(L, length >= 8 && length <= LONGEST_PASSWORD, 1, "8 to 256 characters");
  check_classes(L, excluded);
  struct secret *secret = secret_reserve(L, SECRET_VALUE, (size_t)length);
  struct alphabet all = {0};
  struct draws draws = {0};
  for (int class = 0; class < CLASS_COUNT; class ++) {
    size_t start = all.length;
    add_class(&all, class, excluded);
    secret->bytes[class] = all.letters[start + random_below(L, &draws, all.length - start)];
  }
  for (size_t i = CLASS_COUNT; i < secret->length; i++)
    secret->bytes[i] = all.letters[random_below(L, &draws, all.length)];
  shuffle(L, &draws, secret->bytes, secret->length);
  OPENSSL_cleanse(&draws, sizeof draws);
  secret_register(L);
  return 1;
}

/* secret.redact(text) -> text */
static int redact(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  secret_redact(L, text, length);
  return 1;
}

/* secret.heap() -> "locked" | "unlocked" | "closed" */
static int heap(lua_State *L) {
  static const char *const states[] = {"closed", "locked", "unlocked"};
  const struct vault *vault = secret_vault_find(L);
  lua_pushstring(L, states[vault ? vault->heap : HEAP_NONE]);
  return 1;
}

/* secret.room(mebibytes) */
static int room(lua_State *L) {
  lua_Integer size = luaL_checkinteger(L, 1);
  luaL_argcheck(L, size >= 1 && size <= HEAP_MOST >> 20 && !(size & (size - 1)), 1, "1 to 64, a power of two");
  if (!secret_vault_room((size_t)size << 20))
    return luaL_error(L, "ask for the memory for secrets before there is a secret");
  return 0;
}

static const luaL_Reg functions[] = {
    {"classes", count_classes}, {"contains", contains}, {"copy", copy}, {"equals", equals}, {"from", from},
    {"generate", generate},     {"heap", heap},         {"hint", hint}, {"is", is_secret},  {"kind", kind_of},
    {"random", random_bytes},   {"redact", redact},     {"room", room}, {NULL, NULL},
};

int luaopen_host_secret(lua_State *L);
int luaopen_host_secret(lua_State *L) {
  define_type(L);
  luaL_newlib(L, functions);
  return 1;
}
