/* The journal's functions for the gate: record, commit, refuse. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "journal.h"
#include "secret.h"
#include "state.h"

#include <dlfcn.h>
#include <lualib.h>
#include <openssl/hmac.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static int hmac_fails; /* as it does when memory is out */

/* Stands before libcrypto's function in the order in which symbols are looked up. */
unsigned char *HMAC(const EVP_MD *algorithm, const void *key, int key_length, const unsigned char *data, size_t length,
                    unsigned char *out, unsigned int *out_length) {
  static unsigned char *(*real)(const EVP_MD *, const void *, int, const unsigned char *, size_t, unsigned char *,
                                unsigned int *);
  if (!real) *(void **)&real = dlsym(RTLD_NEXT, "HMAC");
  return hmac_fails ? NULL : real(algorithm, key, key_length, data, length, out, out_length);
}

static const char test_prologue[] =
    "local journal, sys = require 'host.journal', require 'host.sys'\n"
    "folder = assert(sys.temporary('journal-test-'))\n"
    "function reopen(key) return assert(journal.open(folder .. '/j', key, 'host/tenant')) end\n";

static int open_journal_state(void **state) {
  lua_State *L = luaL_newstate();
  luaL_openlibs(L);
  state_preload(L);
  assert_int_equal(luaL_dostring(L, test_prologue), LUA_OK);
  *state = L;
  return 0;
}

static int close_journal_state(void **state) {
  lua_State *L = *state;
  assert_int_equal(luaL_dostring(L, "require('host.sys').remove_tree(folder)"), LUA_OK);
  lua_close(L);
  return 0;
}

/* Push the journal in the test's folder. */
static struct journal *open_journal(lua_State *L) {
  static const char key[] = "0123456789abcdef0123456789abcdef";
  lua_getglobal(L, "reopen");
  lua_getglobal(L, "require");
  lua_pushliteral(L, "host.secret");
  lua_call(L, 1, 0);
  secret_new(L, SECRET_CREDENTIAL, key, sizeof key - 1);
  lua_call(L, 1, 1);
  return journal_check(L, -1);
}

static void audits_and_commits(void **state) {
  lua_State *L = *state;
  static const char text[] = "{\"method\":\"POST\"}";
  struct journal *journal = open_journal(L);
  assert_null(journal_audit_record(journal, "sent", text, sizeof text - 1));
  assert_null(journal_audit_commit(journal));
  assert_null(journal_audit_commit(journal));
  lua_setglobal(L, "first");
  open_journal(L);
  lua_setglobal(L, "second");
  static const char check[] = "local one = second:history(1)[1]\n"
                              "assert(one.seq == 1 and one.kind == 'sent' and one.body.method == 'POST')\n"
                              "assert(math.abs(one.time - require('host.sys').time()) < 60)\n"
                              "assert(second:verify() == 1)\n"
                              "first:close() second:close()";
  if (luaL_dostring(L, check) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
}

/* A file size limit of 0 fails every write, as a full disk does. */
static void refuses_for_good(void **state) {
  lua_State *L = *state;
  struct rlimit before, none;
  struct journal *journal = open_journal(L);
  signal(SIGXFSZ, SIG_IGN);
  assert_null(journal_audit_record(journal, "sent", "{}", 2));
  getrlimit(RLIMIT_FSIZE, &before);
  none = (struct rlimit){0, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &none);
  const char *message = journal_audit_commit(journal);
  setrlimit(RLIMIT_FSIZE, &before);
  assert_non_null(message);
  assert_memory_equal(message, "the journal cannot be written: ", 27);
  assert_string_equal(journal_audit_commit(journal), message);
  assert_string_equal(journal_audit_record(journal, "sent", "{}", 2), message);
  lua_setglobal(L, "first");
  open_journal(L);
  lua_setglobal(L, "second");
  static const char check[] = "first:close() assert(second:verify() == 0) second:close()";
  if (luaL_dostring(L, check) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
}

/* A head that was not sealed must not be committed: no key would open the journal afterwards. */
static void refuses_unsealed_head(void **state) {
  lua_State *L = *state;
  struct journal *journal = open_journal(L);
  assert_null(journal_audit_record(journal, "sent", "{}", 2));
  hmac_fails = 1;
  const char *message = journal_audit_commit(journal);
  hmac_fails = 0;
  assert_non_null(message);
  assert_string_equal(message, "the journal cannot be written: not enough memory");
  lua_setglobal(L, "first");
  open_journal(L);
  lua_setglobal(L, "second");
  static const char check[] = "first:close() assert(second:verify() == 0) second:close()";
  if (luaL_dostring(L, check) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
}

/* A head that could not be checked is not called altered, and the file is as it was. */
static void tells_unchecked_head(void **state) {
  lua_State *L = *state;
  struct journal *journal = open_journal(L);
  hmac_fails = 1;
  const char *message = journal_audit_record(journal, "sent", "{}", 2);
  hmac_fails = 0;
  assert_non_null(message);
  assert_string_equal(message, "the journal cannot be written: its audit chain could not be checked: memory is "
                               "out, or the file cannot be read. Run the same command again");
  lua_setglobal(L, "first");
  open_journal(L);
  lua_setglobal(L, "second");
  static const char check[] = "first:close() assert(second:verify() == 0) second:close()";
  if (luaL_dostring(L, check) != LUA_OK) fail_msg("%s", lua_tostring(L, -1));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(audits_and_commits, open_journal_state, close_journal_state),
      cmocka_unit_test_setup_teardown(refuses_for_good, open_journal_state, close_journal_state),
      cmocka_unit_test_setup_teardown(refuses_unsealed_head, open_journal_state, close_journal_state),
      cmocka_unit_test_setup_teardown(tells_unchecked_head, open_journal_state, close_journal_state),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
