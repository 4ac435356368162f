/* The order of records and requests in the gate: a change is recorded durably before a byte leaves, and its outcome
 * afterwards. The journal is a fake that can be told to fail; the server is tests/hostile.py, which tells what
 * reached it. */
#include "gate_internal.h"
#include "journal.h"
#include "secret.h"

#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define KEY_LOG "gate_test_keys.log"

int luaopen_host_gate(lua_State *L);
int luaopen_host_json(lua_State *L);
int luaopen_host_process(lua_State *L);
int luaopen_host_secret(lua_State *L);
int luaopen_host_sys(lua_State *L);

/* A fake of runtime's journal: it keeps the records, or refuses them. */
struct journal {
  const char *refuse_audit, *refuse_commit;
  char log[16][1024];
  int count;
};

static void keep_record(struct journal *journal, const char *text, size_t length) {
  assert_true(journal->count < 16);
  snprintf(journal->log[journal->count++], 1024, "%.*s", (int)length, text);
}

struct journal *journal_check(lua_State *L, int index) {
  return luaL_checkudata(L, index, JOURNAL);
}

const char *journal_audit_record(struct journal *journal, const char *kind, const char *text, size_t length) {
  if (journal->refuse_audit) return journal->refuse_audit;
  keep_record(journal, kind, strlen(kind));
  keep_record(journal, text, length);
  return NULL;
}

const char *journal_audit_commit(struct journal *journal) {
  keep_record(journal, "commit", 6);
  return journal->refuse_commit;
}

static int close_journal(lua_State *L) {
  (void)L;
  return 0;
}

/* journal(refuse_audit, refuse_commit) -> journal */
static int make_journal(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  const char *audit = luaL_optstring(L, 1, NULL), *commit = luaL_optstring(L, 2, NULL);
  lib_type(L, JOURNAL, none, close_journal);
  struct journal *journal = lib_new(L, sizeof *journal, JOURNAL);
  journal->refuse_audit = audit;
  journal->refuse_commit = commit;
  return 1;
}

/* heal(journal): the journal stops failing */
static int heal_journal(lua_State *L) {
  struct journal *journal = journal_check(L, 1);
  journal->refuse_audit = journal->refuse_commit = NULL;
  return 0;
}

/* entries(journal) -> list of the kinds, records and commits */
static int journal_entries(lua_State *L) {
  const struct journal *journal = journal_check(L, 1);
  lua_newtable(L);
  for (int i = 0; i < journal->count; i++) {
    lua_pushstring(L, journal->log[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* request(method, base, path, members) -> request */
static int make_request(lua_State *L) {
  const char *url = lua_pushfstring(L, "%s%s", luaL_checkstring(L, 2), luaL_checkstring(L, 3));
  struct request *request = request_new(L, "graph", lua_tostring(L, 1), url);
  request_add_call(L, request, lua_tostring(L, 1), lua_tostring(L, 3), luaL_optstring(L, 4, NULL));
  request_add_header(L, request, "client-request-id", "c-1");
  request->changes = strcmp(request->method, "GET") != 0;
  return 1;
}

static const char prologue[] =
    "gate, json, process, sys = require 'host.gate', require 'host.json', require 'host.process', require 'host.sys'\n"
    "secret = require 'host.secret'\n"
    "local folder = assert(sys.temporary('gate'))\n"
    "child = assert(process.start({ '/usr/bin/python3', os.getenv('SOURCE') .. '/tests/hostile.py', folder }))\n"
    "server = assert(json.decode(assert(child:line(30))))\n"
    "base = ('https://127.0.0.1:%d/v1.0'):format(server.ports.good)\n"
    "rights = setmetatable({}, { __mode = 'k' })\n"
    "function submit(door, request, credential, ...)\n"
    "  return door:submit(request, credential, rights[door], ...)\n"
    "end\n"
    "function open(kept)\n"
    "  local door = gate.door('emulator', kept)\n"
    "  assert(door:peer('graph', base, server.ca))\n"
    "  rights[door] = door:rights('the test', 'write')\n"
    "  door:seal()\n"
    "  return door\n"
    "end\n"
    "function finish(door)\n"
    "  local done, deadline = {}, sys.monotonic() + 20\n"
    "  while door:running() > 0 do\n"
    "    assert(sys.monotonic() < deadline, 'transfers do not end')\n"
    "    for _, transfer in ipairs(door:poll(1000)) do done[#done + 1] = transfer end\n"
    "  end\n"
    "  return done\n"
    "end\n"
    "function reached(path)\n"
    "  local door <close> = open()\n"
    "  local transfer = assert(submit(door, request('GET', base, '/seen'), nil, 10))\n"
    "  finish(door)\n"
    "  return body(assert(transfer:answer()))[path] or 0\n"
    "end\n"
    "function body(answer) return assert(json.decode(text(answer))) end\n"
    "function equal(expected, actual)\n"
    "  if expected ~= actual then error(('expected %q, got %q'):format(expected, actual), 2) end\n"
    "end\n"
    "function close() child:close() sys.remove_tree(folder) end\n";

/* text(answer) -> body */
static int answer_text(lua_State *L) {
  const struct answer *answer = answer_check(L, 1);
  lua_pushlstring(L, answer->body.data, answer->body.length);
  return 1;
}

static int run_lua(lua_State *L, const char *chunk) {
  if (luaL_dostring(L, chunk) == LUA_OK) return 1;
  print_error("%s\n", lua_tostring(L, -1));
  return 0;
}

/* Variables by which an environment could redirect requests, add certificates, or log TLS keys. */
static const char *const environment[][2] = {
    {"https_proxy", "http://127.0.0.1:9"},
    {"HTTPS_PROXY", "http://127.0.0.1:9"},
    {"ALL_PROXY", "http://127.0.0.1:9"},
    {"CURL_CA_BUNDLE", "/dev/null"},
    {"SSL_CERT_FILE", "/dev/null"},
    {"SSL_CERT_DIR", "/nowhere"},
    {"NETRC", "/dev/null"},
    {"SSLKEYLOGFILE", KEY_LOG},
};

static void set_environment(void) {
  for (size_t i = 0; i < sizeof environment / sizeof *environment; i++) setenv(environment[i][0], environment[i][1], 1);
  unlink(KEY_LOG);
}

static int open_gate_state(void **state) {
  static const luaL_Reg modules[] = {{"host.gate", luaopen_host_gate},       {"host.json", luaopen_host_json},
                                     {"host.process", luaopen_host_process}, {"host.secret", luaopen_host_secret},
                                     {"host.sys", luaopen_host_sys},         {NULL, NULL}};
  static const luaL_Reg functions[] = {{"journal", make_journal}, {"heal", heal_journal}, {"entries", journal_entries},
                                       {"request", make_request}, {"text", answer_text},  {NULL, NULL}};
  lua_State *L = luaL_newstate();
  set_environment();
  luaL_openlibs(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  luaL_setfuncs(L, modules, 0);
  lua_pushglobaltable(L);
  luaL_setfuncs(L, functions, 0);
  lua_settop(L, 0);
  *state = L;
  return run_lua(L, prologue) ? 0 : -1;
}

static int close_gate_state(void **state) {
  run_lua(*state, "close()");
  lua_close(*state);
  return 0;
}

static void without_a_journal_nothing_changes(void **state) {
  assert_true(run_lua(*state, "local door <close> = open()\n"
                              "local transfer, message, kind = submit(door, request('POST', base, '/echo/1'), nil, 5)\n"
                              "equal(nil, transfer)\n"
                              "equal('journal', kind)\n"
                              "assert(message:find('POST https://127.0.0.1:', 1, true) == 1, message)\n"
                              "assert(message:find('was not sent, because it could not be recorded: this door was "
                              "opened without a journal', 1, true), message)\n"
                              "equal(0, door:running())\n"));
}

static void what_cannot_be_put_on_record_is_not_queued(void **state) {
  assert_true(run_lua(*state, "local door <close> = open(journal('no space'))\n"
                              "local transfer, message, kind = submit(door, request('POST', base, '/echo/2'), nil, 5)\n"
                              "equal(nil, transfer)\n"
                              "equal('journal', kind)\n"
                              "assert(message:find('could not be recorded: no space$'), message)\n"
                              "equal(0, reached('/echo/2'))\n"));
}

static void a_failing_commit_stops_changes_but_not_reads(void **state) {
  assert_true(run_lua(*state, "local kept = journal(nil, 'the disk is full')\n"
                              "local door <close> = open(kept)\n"
                              "local change = assert(submit(door, request('POST', base, '/echo/3'), nil, 5))\n"
                              "local read = assert(submit(door, request('GET', base, '/echo/4'), nil, 5))\n"
                              "equal(2, door:running())\n"
                              "equal(1, door:flush())\n"
                              "equal(2, #finish(door))\n"
                              "local answer, message, kind, maybe_sent = change:answer()\n"
                              "equal(nil, answer)\n"
                              "equal('journal', kind)\n"
                              "equal('it was not sent, because the journal could not be written: the disk is full', "
                              "message)\n"
                              "equal(false, maybe_sent)\n"
                              "equal(200, read:answer():status())\n"
                              "equal(0, reached('/echo/3'))\n"
                              "equal(1, reached('/echo/4'))\n"));
}

static void a_change_is_on_record_and_durable_before_it_leaves(void **state) {
  assert_true(run_lua(*state, "local kept = journal()\n"
                              "local door <close> = open(kept)\n"
                              "local change = assert(submit(door, request('PATCH', base, '/echo/5', 'mail'), nil, 5, "
                              "'step \"five\"'))\n"
                              "local before = entries(kept)\n"
                              "equal('request', before[1])\n"
                              "equal(2, #before)\n"
                              "equal(0, reached('/echo/5'))\n"
                              "equal(1, door:flush())\n"
                              "equal('commit', entries(kept)[3])\n"
                              "finish(door)\n"
                              "equal(200, change:answer():status())\n"
                              "local log = entries(kept)\n"
                              "equal('outcome', log[4])\n"
                              "equal('commit', log[6])\n"
                              "local intent, outcome = assert(json.decode(log[2])), assert(json.decode(log[5]))\n"
                              "equal('PATCH', intent.method)\n"
                              "equal('graph', intent.peer)\n"
                              "equal(base:match('(https://[^/]*)'), intent.origin)\n"
                              "equal('/echo/5', intent.path)\n"
                              "equal('mail', intent.members)\n"
                              "equal('step \"five\"', intent.note)\n"
                              "equal('c-1', intent.client_request_id)\n"
                              "equal(intent.id, outcome.id)\n"
                              "equal(200, outcome.status)\n"));
}

static void a_read_leaves_no_record(void **state) {
  assert_true(run_lua(*state, "local kept = journal()\n"
                              "local door <close> = open(kept)\n"
                              "assert(submit(door, request('GET', base, '/echo/6'), nil, 5))\n"
                              "finish(door)\n"
                              "for _, entry in ipairs(entries(kept)) do equal('commit', entry) end\n"));
}

static void one_commit_serves_all_of_a_turn(void **state) {
  assert_true(run_lua(*state, "local kept = journal()\n"
                              "local door <close> = open(kept)\n"
                              "for i = 1, 3 do assert(submit(door, request('DELETE', base, '/echo/7'), nil, 5)) end\n"
                              "equal(3, door:flush())\n"
                              "equal('commit', entries(kept)[7])\n"
                              "equal(7, #entries(kept))\n"
                              "finish(door)\n"));
}

static void a_failure_is_an_outcome_too(void **state) {
  assert_true(run_lua(*state, "local kept = journal()\n"
                              "local door <close> = open(kept)\n"
                              "assert(submit(door, request('POST', base, '/drop'), nil, 5))\n"
                              "finish(door)\n"
                              "local outcome = assert(json.decode(entries(kept)[5]))\n"
                              "equal('cut', outcome.failure)\n"
                              "equal(true, outcome.maybe_sent)\n"));
}

static void an_abandoned_change_is_on_record(void **state) {
  assert_true(run_lua(*state, "local kept = journal()\n"
                              "local door <close> = open(kept)\n"
                              "local queued = assert(submit(door, request('POST', base, '/echo/8'), nil, 5))\n"
                              "queued:close()\n"
                              "local outcome = assert(json.decode(entries(kept)[4]))\n"
                              "equal('closed', outcome.failure)\n"
                              "equal(false, outcome.maybe_sent)\n"
                              "finish(door)\n"
                              "equal(0, reached('/echo/8'))\n"
                              "local flying = assert(submit(door, request('POST', base, '/silent'), nil, 5))\n"
                              "door:flush()\n"
                              "door:close()\n"
                              "local log = entries(kept)\n"
                              "equal(true, json.decode(log[#log - 1]).maybe_sent)\n"
                              "equal('commit', log[#log])\n"));
}

static void a_secret_does_not_get_into_a_gate_record(void **state) {
  assert_true(run_lua(
      *state, "local kept = journal()\n"
              "local door <close> = open(kept)\n"
              "local held <close> = secret.from('hunter2hunter2')\n"
              "assert(submit(door, request('POST', base, '/echo/hunter2hunter2'), nil, 5, 'x hunter2hunter2 \\xff'))\n"
              "local text = entries(kept)[2]\n"
              "assert(not text:find('hunter2', 1, true), text)\n"
              "local intent = assert(json.decode(text))\n"
              "equal('/echo/[secret]', intent.path)\n"
              "equal('x [secret] ?', intent.note)\n"
              "finish(door)\n"));
}

static void the_environment_is_ignored(void **state) {
  assert_true(run_lua(*state, "equal(0, reached('/nothing'))"));
  assert_int_not_equal(access(KEY_LOG, F_OK), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(without_a_journal_nothing_changes),
      cmocka_unit_test(what_cannot_be_put_on_record_is_not_queued),
      cmocka_unit_test(a_failing_commit_stops_changes_but_not_reads),
      cmocka_unit_test(a_change_is_on_record_and_durable_before_it_leaves),
      cmocka_unit_test(a_read_leaves_no_record),
      cmocka_unit_test(one_commit_serves_all_of_a_turn),
      cmocka_unit_test(a_failure_is_an_outcome_too),
      cmocka_unit_test(an_abandoned_change_is_on_record),
      cmocka_unit_test(a_secret_does_not_get_into_a_gate_record),
      cmocka_unit_test(the_environment_is_ignored),
  };
  return cmocka_run_group_tests(tests, open_gate_state, close_gate_state);
}
