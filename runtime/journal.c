/* host.journal: durable records.
 *
 * This file has the functions for Lua: it checks arguments, encodes JSON, and refuses to write a living secret
 * unencrypted. A record that was put is durable after the next commit, and lost without one. Callers decide what may
 * be forgotten.
 *
 * Ownership: a journal owns its database and keys. User value 1 (a table) anchors the emulator's clock and the
 * function that makes failures.
 */
#include "hex.h"
#include "journal_internal.h"
#include "json.h"
#include "secret.h"
#include "sys.h"

#include <math.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME 512

enum { ANCHOR_CLOCK = 1, ANCHOR_FAILURE }; /* indices of the anchored values in the table of user value 1 */

struct journal *journal_check(lua_State *L, int index) {
  struct journal *journal = luaL_checkudata(L, index, JOURNAL);
  luaL_argcheck(L, journal->database, index, "journal is closed");
  return journal;
}

/* Raise the text on top of the stack: as the error value that the opener's function makes of it, when index 1 is a
 * journal with such a function; else as the text itself. [-1, +0, e] */
static int raise_journal_text(lua_State *L) {
  int text = lua_gettop(L);
  int is_anchored = luaL_testudata(L, 1, JOURNAL) && lua_getiuservalue(L, 1, 1) == LUA_TTABLE;
  if (is_anchored && lua_rawgeti(L, -1, ANCHOR_FAILURE) == LUA_TFUNCTION) {
    lua_pushvalue(L, text);
    lua_call(L, 1, 1);
    return lua_error(L);
  }
  lua_settop(L, text);
  return lua_error(L);
}

int journal_raise(lua_State *L, const struct journal *journal) {
  lua_pushstring(L, journal->message);
  return raise_journal_text(L);
}

struct journal *journal_check_working(lua_State *L) {
  struct journal *journal = journal_check(L, 1);
  if (journal->refusing) journal_raise(L, journal);
  return journal;
}

/* Raise an argument error when the text contains a living secret. */
static void check_record_has_no_secret(lua_State *L, const char *text, size_t length, int argument) {
  luaL_argcheck(L, !secret_redact_finds(L, text, length), argument,
                "it has a secret: seal the secret (journal:seal) and record its id");
}

const char *journal_check_name(lua_State *L, int index) {
  size_t length;
  const char *name = luaL_checklstring(L, index, &length);
  luaL_argcheck(L, length > 0 && length <= MAX_NAME, index, "1 to 512 bytes expected");
  for (size_t i = 0; i < length; i++)
    luaL_argcheck(L, (unsigned char)name[i] >= 0x20, index, "it has a control character");
  check_record_has_no_secret(L, name, length, index);
  return name;
}

/* Return the kind of audit record at index. Callers may not write the journal's own kinds. */
static const char *check_audit_kind(lua_State *L, int index) {
  const char *kind = journal_check_name(L, index);
  luaL_argcheck(L, strncmp(kind, "journal.", 8) != 0, index, "kinds that begin with 'journal.' are the journal's own");
  return kind;
}

double journal_check_time(lua_State *L, int index) {
  double time = luaL_checknumber(L, index);
  luaL_argcheck(L, isfinite(time), index, "a time expected");
  return time;
}

const struct buffer *journal_push_body(lua_State *L, int index) {
  luaL_checktype(L, index, LUA_TTABLE);
  struct buffer *body = buffer_borrow(L);
  size_t secrets = json_encode(L, index, body, 0);
  luaL_argcheck(L, secrets == 0, index, "it has a secret: seal the secret (journal:seal) and record its id");
  check_record_has_no_secret(L, body->data, body->length, index);
  return body;
}

int journal_finish_body(lua_State *L, const struct journal *journal, int done) {
  buffer_give_back(L, -1);
  return done ? 0 : journal_raise(L, journal);
}

static int put_journal_record(struct journal *journal, const char *const names[3], const struct buffer *body,
                              double time) {
  if (!journal_audit_begin(journal)) return 0;
  sqlite3_stmt *put = journal_store_statement(journal, PUT);
  for (int i = 0; i < 3; i++) sqlite3_bind_text(put, i + 1, names[i], -1, SQLITE_STATIC);
  sqlite3_bind_text(put, 4, body->data, (int)body->length, SQLITE_STATIC);
  sqlite3_bind_double(put, 5, time);
  sqlite3_bind_int64(put, 6, journal->head.seq + 1);
  if (!journal_store_run(journal, put)) return 0;
  sqlite3_stmt *as_json = journal_store_statement(journal, RECORD_AS_JSON);
  for (int i = 0; i < 2; i++) sqlite3_bind_text(as_json, i + 1, names[i], -1, SQLITE_STATIC);
  return journal_audit_append_row(journal, as_json, time, AUDIT_PUT);
}

/* journal:put(kind, id, state, body, time) */
static int journal_put(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  const char *const names[] = {journal_check_name(L, 2), journal_check_name(L, 3), journal_check_name(L, 4)};
  double time = journal_check_time(L, 6);
  lua_settop(L, 6);
  return journal_finish_body(L, journal, put_journal_record(journal, names, journal_push_body(L, 5), time));
}

static void push_journal_column(lua_State *L, sqlite3_stmt *row, int column) {
  lua_pushlstring(L, (const char *)sqlite3_column_text(row, column), (size_t)sqlite3_column_bytes(row, column));
}

void journal_push_json(lua_State *L, const char *text, size_t length) {
  struct json_rules rules = {0};
  if (json_decode(L, text, length, &rules)) return;
  lua_pushfstring(L, "the journal cannot be read: a record's body is not JSON: %s", lua_tostring(L, -1));
  raise_journal_text(L);
}

/* Decode the JSON in this column. [-0, +1, e] */
static void push_journal_json(lua_State *L, sqlite3_stmt *row, int column) {
  push_journal_column(L, row, column); /* copied first, because raising an error resets the row */
  size_t length;
  const char *text = lua_tolstring(L, -1, &length);
  journal_push_json(L, text, length);
  lua_remove(L, -2);
}

/* Push a record as a table. [-0, +1, e] */
static void push_journal_record(lua_State *L, sqlite3_stmt *row) {
  static const char *const names[] = {"kind", "id", "state"};
  lua_createtable(L, 0, 6);
  for (int i = 0; i < 3; i++) {
    push_journal_column(L, row, i);
    lua_setfield(L, -2, names[i]);
  }
  push_journal_json(L, row, 3);
  lua_setfield(L, -2, "body");
  lua_pushnumber(L, sqlite3_column_double(row, 4));
  lua_setfield(L, -2, "created");
  lua_pushnumber(L, sqlite3_column_double(row, 5));
  lua_setfield(L, -2, "updated");
}

int journal_next_row(lua_State *L, struct journal *journal, sqlite3_stmt *statement) {
  int code = sqlite3_step(statement);
  if (code == SQLITE_ROW) return 1;
  if (code != SQLITE_DONE)
    lua_pushfstring(L, "the journal cannot be read: %s, in '%s'", sqlite3_errmsg(journal->database),
                    journal->directory);
  sqlite3_reset(statement);
  return code == SQLITE_DONE ? 0 : raise_journal_text(L);
}

/* journal:get(kind, id) -> record | nil */
static int journal_get(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  const char *kind = luaL_checkstring(L, 2), *id = luaL_checkstring(L, 3);
  sqlite3_stmt *get = journal_store_statement(journal, GET);
  sqlite3_bind_text(get, 1, kind, -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(get, 2, id, -1, SQLITE_TRANSIENT);
  if (!journal_next_row(L, journal, get)) return 0;
  push_journal_record(L, get);
  sqlite3_reset(get);
  return 1;
}

/* journal:list(kind?, except?) -> records of this kind, or of all kinds, without those in the state `except` */
static int journal_list(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  const char *kind = luaL_optstring(L, 2, NULL), *except = luaL_optstring(L, 3, NULL);
  sqlite3_stmt *list = journal_store_statement(journal, LIST);
  lua_Integer count = 0;
  sqlite3_bind_text(list, 1, kind, -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(list, 2, except, -1, SQLITE_TRANSIENT);
  lua_newtable(L);
  while (journal_next_row(L, journal, list)) {
    push_journal_record(L, list);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/* Push the value that is sealed under this id and return 1; 0 when there is none; -1 when it cannot be opened. [-0,
 * +0|+1, e] */
static int push_sealed_value(lua_State *L, struct journal *journal, const char *id) {
  const struct seal_name name = {"value", journal->binding, id};
  sqlite3_stmt *read = journal_store_statement(journal, UNSEAL);
  sqlite3_bind_text(read, 1, id, -1, SQLITE_TRANSIENT);
  if (!journal_next_row(L, journal, read)) return 0;
  size_t length = (size_t)sqlite3_column_bytes(read, 0);
  length = journal_seal_plaintext_size(sqlite3_column_blob(read, 0), length, SIZE_MAX);
  if (length == SIZE_MAX) return -1;
  struct secret *value = secret_reserve(L, SECRET_VALUE, length);
  const unsigned char *sealed = sqlite3_column_blob(read, 0);
  int opened = journal_seal_decrypt(journal, &name, sealed, (size_t)sqlite3_column_bytes(read, 0), value->bytes);
  sqlite3_reset(read);
  if (opened) secret_register(L);
  if (!opened) lua_pop(L, 1);
  return opened ? 1 : -1;
}

/* Push nil and the message that the sealed value was altered. Returns 2. */
static int push_altered_value(lua_State *L, const char *id) {
  return lib_fail(
      L,
      "the value sealed under '%s' cannot be opened: it was altered or moved from another record. Nothing of "
      "it can be trusted",
      id);
}

/* Raise an error unless the value that is sealed under this id already, on top of the stack, is the same one. */
static int check_same_sealed_value(lua_State *L, const char *id, const struct secret *value) {
  const struct secret *found = secret_check(L, -1);
  if (secret_equal(found, value)) return 0;
  lua_pushfstring(L, "another value is sealed under '%s': it is not replaced; seal under an id of its own", id);
  return lua_error(L);
}

/* journal:seal(id, value). A different value under the same id is refused: replacing would destroy a value that may
 * be in force. */
static int journal_seal(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  const char *id = journal_check_name(L, 2);
  const struct secret *value = secret_check(L, 3);
  const struct seal_name name = {"value", journal->binding, id};
  lua_settop(L, 3);
  if (!journal_audit_begin(journal))
    return journal_raise(L,
                         journal); /* first, so that no other process seals a value between the look and the insert */
  int found = push_sealed_value(L, journal, id);
  if (found > 0) return check_same_sealed_value(L, id, value);
  if (found < 0) {
    push_altered_value(L, id);
    return lua_error(L);
  }
  struct buffer *sealed = buffer_new(L);
  if (!journal_seal_encrypt(journal, &name, value->bytes, value->length, sealed)) return journal_raise(L, journal);
  double now = journal_audit_now(journal);
  return journal_audit_write_sealed(journal, SEAL, now, id, sealed) ? 0 : journal_raise(L, journal);
}

/* journal:unseal(id) -> secret | nil | nil, message */
static int journal_unseal(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  const char *id = luaL_checkstring(L, 2);
  int found = push_sealed_value(L, journal, id);
  return found < 0 ? push_altered_value(L, id) : found;
}

/* Delete the sealed value, and append an audit record {"id": …} when there was one. */
static int drop_sealed_value(struct journal *journal, const char *id, const struct buffer *body) {
  sqlite3_stmt *drop = journal_store_statement(journal, FORGET);
  sqlite3_bind_text(drop, 1, id, -1, SQLITE_STATIC);
  if (!journal_store_run(journal, drop)) return 0;
  if (sqlite3_changes(journal->database) == 0) return 1;
  return journal_audit_append(journal, journal_audit_now(journal), AUDIT_FORGET, body->data, body->length);
}

/* journal:forget(id). When there is no such value, nothing happens. */
static int journal_forget(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  const char *id = journal_check_name(L, 2);
  lua_settop(L, 2);
  lua_createtable(L, 0, 1);
  lua_pushvalue(L, 2);
  lua_setfield(L, 3, "id");
  const struct buffer *body = journal_push_body(L, 3);
  return journal_finish_body(L, journal, journal_audit_begin(journal) && drop_sealed_value(journal, id, body));
}

/* journal:audit(kind, body, time) */
static int journal_audit(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  const char *kind = check_audit_kind(L, 2);
  double time = journal_check_time(L, 4);
  lua_settop(L, 4);
  const struct buffer *body = journal_push_body(L, 3);
  return journal_finish_body(
      L, journal, journal_audit_begin(journal) && journal_audit_append(journal, time, kind, body->data, body->length));
}

/* Push a record of the audit chain as a table, with its hash where the row has it. [-0, +1, e] */
static void push_audit_record(lua_State *L, sqlite3_stmt *row) {
  char hex[2 * HASH_SIZE + 1];
  lua_createtable(L, 0, 5);
  if (sqlite3_column_bytes(row, 4) == HASH_SIZE) {
    lua_pushstring(L, hex_text(sqlite3_column_blob(row, 4), HASH_SIZE, hex));
    lua_setfield(L, -2, "hash");
  }
  lua_pushinteger(L, sqlite3_column_int64(row, 0));
  lua_setfield(L, -2, "seq");
  lua_pushnumber(L, sqlite3_column_double(row, 1));
  lua_setfield(L, -2, "time");
  push_journal_column(L, row, 2);
  lua_setfield(L, -2, "kind");
  push_journal_json(L, row, 3);
  lua_setfield(L, -2, "body");
}

/* Push the records that the statement reads as a list. [-0, +1, e] */
static void push_audit_records(lua_State *L, struct journal *journal, sqlite3_stmt *statement) {
  lua_Integer count = 0;
  lua_newtable(L);
  while (journal_next_row(L, journal, statement)) {
    push_audit_record(L, statement);
    lua_rawseti(L, -2, ++count);
  }
}

/* journal:history(count) -> the last audit records, oldest first */
static int journal_history(lua_State *L) {
  struct journal *journal = journal_check(L, 1);
  lua_Integer wanted = luaL_checkinteger(L, 2);
  luaL_argcheck(L, wanted >= 0, 2, "not negative");
  sqlite3_stmt *history = journal_store_statement(journal, HISTORY);
  sqlite3_bind_int64(history, 1, wanted);
  push_audit_records(L, journal, history);
  return 1;
}

/* journal:records_after(seq, count) -> the audit records after a number, oldest first, with their hashes */
static int journal_records_after(lua_State *L) {
  struct journal *journal = journal_check(L, 1);
  lua_Integer after = luaL_checkinteger(L, 2), wanted = luaL_checkinteger(L, 3);
  luaL_argcheck(L, wanted >= 0, 3, "not negative");
  sqlite3_stmt *records = journal_store_statement(journal, RECORDS_AFTER);
  sqlite3_bind_int64(records, 1, after);
  sqlite3_bind_int64(records, 2, wanted);
  push_audit_records(L, journal, records);
  return 1;
}

/* journal:commit() -> true | nil, message */
static int journal_commit(lua_State *L) {
  const char *message = journal_audit_commit(journal_check(L, 1));
  if (message) return lib_fail(L, "%s", message);
  lua_pushboolean(L, 1);
  return 1;
}

/* journal:verify() -> count | nil, message, seq */
static int journal_verify(lua_State *L) {
  struct journal *journal = journal_check(L, 1);
  int64_t count, seq;
  if (journal_audit_verify(journal, &count, &seq)) {
    lua_pushinteger(L, count);
    return 1;
  }
  lib_fail(L, "the journal in '%s' was altered: %s", journal->directory, journal->message);
  lua_pushinteger(L, seq);
  return 3;
}

/* journal:head() -> seq, hash in hex */
static int journal_head(lua_State *L) {
  struct journal *journal = journal_check(L, 1);
  struct chain_head head = journal->head;
  char hex[2 * HASH_SIZE + 1];
  const char *why = journal->writing ? NULL : journal_audit_read_head(journal, &head);
  if (why) {
    lua_pushfstring(L, "the journal in '%s' cannot be read: %s", journal->directory, why);
    return raise_journal_text(L);
  }
  lua_pushinteger(L, head.seq);
  lua_pushstring(L, hex_text(head.hash, HASH_SIZE, hex));
  return 2;
}

/* journal:lease(name) -> lease | nil, message, kind */
static int journal_lease(lua_State *L) {
  struct journal *journal = journal_check(L, 1);
  size_t length;
  const char *name = luaL_checklstring(L, 2, &length);
  return journal_lease_take(L, journal->directory, name, length);
}

/* journal:close(), __close and __gc. Records that were not committed are lost. Idempotent. */
static int journal_close(lua_State *L) {
  struct journal *journal = luaL_checkudata(L, 1, JOURNAL);
  if (journal->database) journal_mark_renew(journal);
  journal_store_close(journal);
  journal_place_close(journal);
  journal->refusing = 1; /* a door may still have the journal and call it from C */
  snprintf(journal->message, sizeof journal->message, "the journal is closed");
  OPENSSL_secure_clear_free(journal->keys, 2 * KEY_SIZE);
  journal->keys = NULL;
  free(journal->binding);
  journal->binding = NULL;
  EVP_MD_CTX_free(journal->hashing);
  journal->hashing = NULL;
  return 0;
}

/* Open folder, mark, database and keys of a journal. Returns NULL, or the kind of failure. */
static const char *open_journal(struct journal *journal, const char *directory, const struct secret *key,
                                struct buffer *scratch) {
  char file[PATH_MAX];
  struct mark mark;
  const char *kind = journal_place_open(journal, directory, file);
  if (kind) return kind;
  journal_mark_read(journal, &mark);
  kind = journal_store_open(journal, file);
  if (!kind)
    kind = journal_seal_derive(journal, key->bytes, key->length) ? journal_owner_check(journal, scratch) : "io";
  return kind ? kind : journal_mark_check(journal, &mark);
}

const struct secret *journal_check_key(lua_State *L, int index) {
  const struct secret *key = secret_check(L, index);
  luaL_argcheck(L, key->length >= KEY_SIZE, index, "a key of at least 32 bytes expected");
  return key;
}

const char *journal_check_binding(lua_State *L, int index) {
  size_t length;
  const char *binding = luaL_checklstring(L, index, &length);
  luaL_argcheck(L, length > 0 && length < JOURNAL_BINDING && strlen(binding) == length, index,
                "'<login host>/<tenant>' expected");
  return binding;
}

/* journal.open(directory, key, binding, clock, failure) -> journal | nil, message, kind */
static int journal_open(lua_State *L) {
  const char *directory = luaL_checkstring(L, 1);
  const struct secret *key = journal_check_key(L, 2);
  journal_check_binding(L, 3);
  lua_settop(L, 5);
  struct clock *clock = lua_isnil(L, 4) ? NULL : sys_clock_check(L, 4);
  struct buffer *scratch = buffer_new(L);
  struct journal *journal = lib_new(L, sizeof *journal, JOURNAL);
  lua_createtable(L, ANCHOR_FAILURE, 0);
  for (int i = ANCHOR_CLOCK; i <= ANCHOR_FAILURE; i++) {
    lua_pushvalue(L, 3 + i);
    lua_rawseti(L, -2, i);
  }
  lua_setiuservalue(L, -2, 1);
  journal->clock = clock;
  journal->binding = strdup(lua_tostring(L, 3));
  if (!journal->binding) return lib_no_memory(L);
  const char *kind = open_journal(journal, directory, key, scratch);
  if (!kind) return 1;
  journal_store_close(journal);
  journal_place_close(journal);
  return lib_fail_kind(L, kind, "%s", journal->message);
}

static const luaL_Reg methods[] = {
    {"put", journal_put},       {"get", journal_get},         {"list", journal_list},
    {"seal", journal_seal},     {"unseal", journal_unseal},   {"forget", journal_forget},
    {"audit", journal_audit},   {"history", journal_history}, {"records_after", journal_records_after},
    {"commit", journal_commit}, {"verify", journal_verify},   {"head", journal_head},
    {"lease", journal_lease},   {"close", journal_close},     {NULL, NULL},
};

static const luaL_Reg functions[] = {{"open", journal_open}, {NULL, NULL}};

int luaopen_host_journal(lua_State *L);
int luaopen_host_journal(lua_State *L) {
  lib_type(L, JOURNAL, methods, journal_close);
  luaL_getmetatable(L, JOURNAL);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, journal_kept_methods, 0);
  luaL_setfuncs(L, journal_admin_methods, 0);
  lua_pop(L, 2);
  journal_lease_type(L);
  luaL_newlib(L, functions);
  luaL_setfuncs(L, journal_admin_functions, 0);
  return 1;
}
