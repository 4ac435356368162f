/* JSON and secrets in C: bodies with secrets in clear, secrets left in memory, and failing allocations. */
#include "json.h"
#include "secret.h"

#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

int luaopen_host_json(lua_State *L);

static int open_json_state(void **state) {
  *state = luaL_newstate();
  return *state ? 0 : -1;
}

static int close_json_state(void **state) {
  lua_close(*state);
  return 0;
}

static void a_body_that_is_sent_has_its_secrets_in_clear_and_escaped(void **state) {
  lua_State *L = *state;
  struct buffer *out = buffer_new(L);
  lua_newtable(L);
  secret_new(L, SECRET_VALUE, "a\"\\\n\xc3\xa9", 6);
  lua_setfield(L, -2, "password");
  json_encode(L, -1, out, 1);
  assert_int_equal(out->length, strlen("{\"password\":\"a\\\"\\\\\\n\xc3\xa9\"}"));
  assert_memory_equal(out->data, "{\"password\":\"a\\\"\\\\\\n\xc3\xa9\"}", out->length);
  buffer_free(out);
  json_encode(L, -1, out, 0);
  assert_memory_equal(out->data, "{\"password\":\"[secret]\"}", out->length);
  assert_int_equal(lua_gettop(L), 2);
}

static int encode_clear(lua_State *L) {
  json_encode(L, 1, buffer_new(L), 1);
  return 0;
}

static void a_secret_that_is_not_utf8_cannot_be_sent_as_json(void **state) {
  lua_State *L = *state;
  lua_pushcfunction(L, encode_clear);
  lua_newtable(L);
  secret_new(L, SECRET_VALUE, "abc\xff", 4);
  lua_setfield(L, -2, "password");
  assert_int_equal(lua_pcall(L, 1, 0, 0), LUA_ERRRUN);
  assert_string_equal(lua_tostring(L, -1), "password cannot be written as JSON: it is not UTF-8");
}

static void a_decode_obeys_its_rules(void **state) {
  static const char *const names[] = {"pin", NULL};
  lua_State *L = *state;
  struct json_rules rules = {.max_bytes = 20, .secrets = names};
  assert_int_equal(json_decode(L, "{\"pin\":\"123456\"}", 16, &rules), 1);
  lua_getfield(L, -1, "pin");
  assert_int_equal(secret_check(L, -1)->length, 6);
  assert_memory_equal(secret_check(L, -1)->bytes, "123456", 7);
  lua_settop(L, 0);
  assert_int_equal(json_decode(L, "[1,2,3,4,5,6,7,8,9,10]", 22, &rules), 0);
  assert_string_equal(lua_tostring(L, -1), "JSON has 22 bytes, more than the limit of 20");
  assert_int_equal(lua_gettop(L), 1);
}

static void a_text_need_not_end_with_a_nul(void **state) {
  lua_State *L = *state;
  static const char text[] = "[1,\"a\",12345678901234567890";
  for (size_t length = 0; length < sizeof text; length++) {
    char *exact = malloc(length ? length : 1); /* so that a sanitizer notices one byte too many */
    memcpy(exact, text, length);
    assert_int_equal(json_decode(L, exact, length, NULL), 0);
    lua_settop(L, 0);
    free(exact);
  }
}

#ifndef __SANITIZE_ADDRESS__ /* AddressSanitizer keeps freed memory on purpose */
enum { CANARY = 24, MASK = 0x55 };

/* The canary's bytes are masked, so that the program does not contain it in clear. */
static const unsigned char canary[CANARY + 1] = "\x36\x34\x3b\x34\x27\x2c\x78\x64\x67\x66\x78\x3d"
                                                "\x3a\x27\x26\x30\x78\x37\x34\x21\x21\x30\x27\x2c";

static int is_canary(const unsigned char *at) {
  for (int i = 0; i < CANARY; i++)
    if ((at[i] ^ MASK) != canary[i]) return 0;
  return 1;
}

static int count_canary_between(const unsigned char *start, const unsigned char *end) {
  int count = 0;
  for (const unsigned char *at = start; at + CANARY <= end; at++) count += is_canary(at);
  return count;
}

/* Count the canary in all writable memory of this process. */
static int count_canary_in_memory(void) {
  unsigned long start, end;
  char line[512];
  int count = 0;
  FILE *maps = fopen("/proc/self/maps", "r");
  assert_non_null(maps);
  while (fgets(line, sizeof line, maps))
    if (sscanf(line, "%lx-%lx", &start, &end) == 2 && strstr(line, " rw-p "))
      count += count_canary_between((const unsigned char *)start, (const unsigned char *)end);
  fclose(maps);
  return count;
}

static void nothing_of_a_secret_stays_once_it_is_closed_and_its_body_wiped(void **state) {
  lua_State *L = *state;
  struct secret *secret = secret_reserve(L, SECRET_VALUE, CANARY);
  for (int i = 0; i < CANARY; i++) secret->bytes[i] = (char)(canary[i] ^ MASK);
  secret_register(L);
  assert_int_equal(count_canary_in_memory(), 1);
  struct buffer *out = buffer_new(L);
  json_encode(L, 1, out, 1);
  assert_int_equal(count_canary_in_memory(), 2);
  buffer_free(out);
  secret_redact(L, "a line of a log", 15);
  assert_int_equal(count_canary_in_memory(), 1);
  lua_getfield(L, 1, "close");
  lua_pushvalue(L, 1);
  lua_call(L, 1, 0);
  assert_int_equal(count_canary_in_memory(), 0);
}
#endif

struct allocation_budget {
  long left; /* number of allocations that still succeed */
};

static void *allocate_from_budget(void *arg, void *block, size_t old, size_t size) {
  struct allocation_budget *budget = arg;
  (void)old;
  if (size == 0) {
    free(block);
    return NULL;
  }
  if (!block || size > old)
    if (budget->left-- <= 0) return NULL;
  return realloc(block, size);
}

/* Encode and redact secrets. Nothing is decoded: cjson frees nothing when Lua's memory is out in the middle of its
 * work. */
static int encode_and_redact(lua_State *L) {
  luaL_requiref(L, "host.json", luaopen_host_json, 0);
  struct buffer *out = buffer_new(L);
  lua_newtable(L);
  json_array_mark(L);
  for (int i = 1; i <= 20; i++) {
    secret_new(L, SECRET_VALUE, "correct horse battery", 21);
    lua_rawseti(L, -2, i);
  }
  json_encode(L, -1, out, 1);
  json_encode_pretty(L, -1, out);
  secret_redact(L, out->data, out->length);
  return 0;
}

static void memory_that_is_out_at_any_moment_is_an_error_and_no_crash(void **state) {
  (void)state;
  int status = LUA_ERRMEM;
  for (long left = 0; status != LUA_OK; left++) {
    struct allocation_budget budget = {.left = 100000};
    lua_State *L = lua_newstate(allocate_from_budget, &budget);
    assert_non_null(L);
    lua_pushcfunction(L, encode_and_redact);
    budget.left = left;
    status = lua_pcall(L, 0, 0, 0);
    budget.left = 100000;
    lua_close(L);
    assert_true(left < 10000);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_body_that_is_sent_has_its_secrets_in_clear_and_escaped, open_json_state,
                                      close_json_state),
      cmocka_unit_test_setup_teardown(a_secret_that_is_not_utf8_cannot_be_sent_as_json, open_json_state,
                                      close_json_state),
      cmocka_unit_test_setup_teardown(a_decode_obeys_its_rules, open_json_state, close_json_state),
      cmocka_unit_test_setup_teardown(a_text_need_not_end_with_a_nul, open_json_state, close_json_state),
#ifndef __SANITIZE_ADDRESS__
      cmocka_unit_test_setup_teardown(nothing_of_a_secret_stays_once_it_is_closed_and_its_body_wiped, open_json_state,
                                      close_json_state),
#endif
      cmocka_unit_test(memory_that_is_out_at_any_moment_is_an_error_and_no_crash),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
