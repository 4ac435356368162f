/* host.journal: functions on a journal as a whole: installations, backup, restore, compacting, a new key. */
#include "hex.h"
#include "journal_internal.h"
#include "secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* journal:installation() -> 8 hex digits */
static int journal_admin_installation(lua_State *L) {
  lua_pushlstring(L, journal_check(L, 1)->installations, INSTALLATION_SIZE);
  return 1;
}

/* journal:installations() -> ids, its own first */
static int journal_admin_installations(lua_State *L) {
  const char *ids = journal_check(L, 1)->installations;
  lua_Integer count = 0;
  lua_newtable(L);
  for (; *ids; ids += INSTALLATION_SIZE) {
    lua_pushlstring(L, ids, INSTALLATION_SIZE);
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

/* journal:restored_at() -> time | nil */
static int journal_admin_restored_at(lua_State *L) {
  double time = journal_check(L, 1)->restored_at;
  if (time == 0) return 0;
  lua_pushnumber(L, time);
  return 1;
}

/* journal:mark_restored(time, replaces) */
static int journal_admin_mark_restored(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  double time = journal_check_time(L, 2);
  int replaces = lua_toboolean(L, 3);
  luaL_argcheck(L, time > 0, 2, "a time after 1970 expected");
  return journal_owner_record_restore(journal, time, replaces, NULL, buffer_new(L)) ? 0 : journal_raise(L, journal);
}

/* Delete the rows that the table at index names, as { kind, id } each. */
static int drop_listed_rows(lua_State *L, struct journal *journal, const struct compact *compact, int index) {
  int done = 1;
  lua_Integer count = luaL_len(L, index);
  for (lua_Integer i = 1; done && i <= count; i++) {
    lua_geti(L, index, i);
    lua_geti(L, -1, 1);
    lua_geti(L, -2, 2);
    done = journal_compact_drop_row(journal, compact, luaL_checkstring(L, -2), luaL_checkstring(L, -1));
    lua_pop(L, 3);
  }
  return done;
}

/* journal:compact(before, time, rows) -> { segment, first, last, carried } | nil | nil, message, kind */
static int journal_admin_compact(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  struct compact compact = {.before = journal_check_time(L, 2), .time = journal_check_time(L, 3)};
  luaL_checktype(L, 4, LUA_TTABLE);
  luaL_argcheck(L, !journal->writing, 1, "a record is not committed yet");
  lua_settop(L, 4);
  const char *kind = journal_compact_write(journal, &compact, buffer_new(L));
  if (kind) return lib_fail_kind(L, kind, "%s", journal->message);
  if (compact.last == 0) return 0;
  if (!journal_compact_begin(journal, &compact) || !drop_listed_rows(L, journal, &compact, 4) ||
      !journal_compact_end(journal, &compact))
    return lib_fail_kind(L, "io", "%s", journal->message);
  lua_createtable(L, 0, 4);
  lua_pushstring(L, compact.segment);
  lua_setfield(L, -2, "segment");
  lua_pushinteger(L, compact.start.seq + 1);
  lua_setfield(L, -2, "first");
  lua_pushinteger(L, compact.last);
  lua_setfield(L, -2, "last");
  lua_pushinteger(L, compact.carried);
  lua_setfield(L, -2, "carried");
  return 1;
}

static void push_hash_hex(lua_State *L, const unsigned char hash[HASH_SIZE]) {
  char hex[2 * HASH_SIZE + 1];
  lua_pushstring(L, hex_text(hash, HASH_SIZE, hex));
}

/* journal:start() -> seq, hash */
static int journal_admin_start(lua_State *L) {
  struct journal *journal = journal_check(L, 1);
  struct chain_head head;
  if (!journal_audit_read_start(journal, &head))
    return luaL_error(L, "the journal in '%s' cannot be read: %s", journal->directory,
                      journal_audit_fault(journal, "the start of its audit chain is not sealed by this key"));
  lua_pushinteger(L, head.seq);
  push_hash_hex(L, head.hash);
  return 2;
}

/* journal:is_segment() -> boolean */
static int journal_admin_is_segment(lua_State *L) {
  lua_pushboolean(L, journal_check(L, 1)->is_segment);
  return 1;
}

/* journal:backup(path) -> seq, hash | nil, message, kind */
static int journal_admin_backup(lua_State *L) {
  struct journal *journal = journal_check(L, 1);
  luaL_argcheck(L, !journal->writing, 1, "a record is not committed yet");
  const char *path = journal_copy_resolve(L, 2);
  const char *kind = journal_copy_backup(journal, path);
  if (kind) return lib_fail_kind(L, kind, "%s", journal->message);
  lua_pushinteger(L, journal->copied.seq);
  push_hash_hex(L, journal->copied.hash);
  return 2;
}

/* Push a journal that has only keys and binding, from the arguments at these indices. [-0, +1, e] */
static struct journal *push_closed_journal(lua_State *L, int key_index, int binding_index) {
  const struct secret *key = journal_check_key(L, key_index);
  const char *binding = journal_check_binding(L, binding_index);
  struct journal *journal = lib_new(L, sizeof *journal, JOURNAL);
  journal->binding = strdup(binding);
  if (!journal->binding) lib_no_memory(L);
  if (!journal_seal_derive(journal, key->bytes, key->length)) journal_raise(L, journal);
  return journal;
}

/* journal.read(path, key, binding) -> journal | nil, message, kind */
static int journal_admin_read(lua_State *L) {
  lua_settop(L, 3);
  const char *path = journal_copy_resolve(L, 1);
  struct journal *journal = push_closed_journal(L, 2, 3);
  struct journal opened;
  const char *kind = journal_copy_open(&opened, journal, path, READ_FILE);
  *journal = opened; /* the opened copy has the same keys and binding */
  if (!kind) return 1;
  return lib_fail_kind(L, kind, "%s", journal->message);
}

/* Push the outcome of a restore as a table. [-0, +1, m] */
static void push_restore_outcome(lua_State *L, const struct journal *journal, const struct restore *restore) {
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, journal->head.seq);
  lua_setfield(L, -2, "head");
  push_hash_hex(L, journal->head.hash);
  lua_setfield(L, -2, "hash");
  lua_pushlstring(L, journal->installations, INSTALLATION_SIZE);
  lua_setfield(L, -2, "installation");
  if (*restore->aside) {
    lua_pushstring(L, restore->aside);
    lua_setfield(L, -2, "aside");
  }
}

/* journal.restore(directory, file, key, binding, time, replaces, set_aside) -> table | nil, message, kind */
static int journal_admin_restore(lua_State *L) {
  const char *directory = lib_checktext(L, 1);
  struct restore restore = {.time = journal_check_time(L, 5)};
  luaL_argcheck(L, restore.time > 0, 5, "a time after 1970 expected");
  restore.replaces = lua_toboolean(L, 6);
  restore.set_aside = lua_toboolean(L, 7);
  lua_settop(L, 7);
  restore.file = journal_copy_resolve(L, 2);
  struct buffer *scratch = buffer_new(L);
  struct journal *journal = push_closed_journal(L, 3, 4);
  const char *kind = journal_restore_file(journal, &restore, directory, scratch);
  journal_place_close(journal);
  if (kind) return lib_fail_kind(L, kind, "%s", journal->message);
  push_restore_outcome(L, journal, &restore);
  return 1;
}

/* journal.rekey(directory, old key, new key, binding, time) -> count | nil, message, kind */
static int journal_admin_rekey(lua_State *L) {
  const char *directory = lib_checktext(L, 1);
  double time = journal_check_time(L, 5);
  int64_t count = 0;
  lua_settop(L, 5);
  struct buffer *scratch = buffer_new(L);
  struct journal *old = push_closed_journal(L, 2, 4), *next = push_closed_journal(L, 3, 4);
  const char *kind = journal_rekey_live(old, next, directory, time, scratch, &count);
  journal_place_close(old);
  if (kind) return lib_fail_kind(L, kind, "%s", old->message);
  lua_pushinteger(L, count);
  return 1;
}

/* journal.rekey_segment(path, old key, new key, binding) -> true | nil, message, kind */
static int journal_admin_rekey_segment(lua_State *L) {
  lua_settop(L, 4);
  const char *path = journal_copy_resolve(L, 1);
  struct buffer *scratch = buffer_new(L);
  struct journal *old = push_closed_journal(L, 2, 4), *next = push_closed_journal(L, 3, 4);
  const char *kind = journal_rekey_segment(old, next, path, scratch);
  if (kind) return lib_fail_kind(L, kind, "%s", old->message);
  lua_pushboolean(L, 1);
  return 1;
}

/* journal:hash(seq) -> hex | nil */
static int journal_admin_hash(lua_State *L) {
  struct journal *journal = journal_check(L, 1);
  lua_Integer seq = luaL_checkinteger(L, 2);
  char hex[2 * HASH_SIZE + 1];
  sqlite3_stmt *read = journal_store_statement(journal, HASH_AT);
  sqlite3_bind_int64(read, 1, seq);
  if (!journal_next_row(L, journal, read) || sqlite3_column_bytes(read, 0) != HASH_SIZE) return 0;
  hex_text(sqlite3_column_blob(read, 0), HASH_SIZE, hex);
  sqlite3_reset(read);
  lua_pushstring(L, hex);
  return 1;
}

const luaL_Reg journal_admin_functions[] = {
    {"read", journal_admin_read},
    {"restore", journal_admin_restore},
    {"rekey", journal_admin_rekey},
    {"rekey_segment", journal_admin_rekey_segment},
    {NULL, NULL},
};

const luaL_Reg journal_admin_methods[] = {
    {"backup", journal_admin_backup},
    {"compact", journal_admin_compact},
    {"start", journal_admin_start},
    {"hash", journal_admin_hash},
    {"is_segment", journal_admin_is_segment},
    {"installation", journal_admin_installation},
    {"installations", journal_admin_installations},
    {"restored_at", journal_admin_restored_at},
    {"mark_restored", journal_admin_mark_restored},
    {NULL, NULL},
};
