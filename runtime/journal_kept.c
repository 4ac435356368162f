/* host.journal: values that are kept outside the audit chain.
 *
 * They are for what was seen elsewhere, and can be read again or be missing: a summary of a log, say. Each is a JSON
 * object under a name, sealed with the journal's key, so that nobody without the key can read or make one. The chain
 * does not cover them: a lost or older value is not noticed. Callers keep together, in one value, what must not be
 * lost in part.
 */
#include "journal_internal.h"

#include <stdio.h>
#include <string.h>

/* Open the kept value in this column into plain, and set its length; 0 when it was altered or memory is out. */
static int open_kept_value(const struct journal *journal, const char *id, sqlite3_stmt *row, int column,
                           struct buffer *plain) {
  const struct seal_name name = {"kept", journal->binding, id};
  const unsigned char *sealed = sqlite3_column_blob(row, column);
  size_t length = (size_t)sqlite3_column_bytes(row, column);
  size_t size = sealed ? journal_seal_plaintext_size(sealed, length, SIZE_MAX) : SIZE_MAX;
  plain->length = 0;
  char *space = size == SIZE_MAX ? NULL : buffer_extend(plain, size + 1);
  if (!space || !journal_seal_decrypt(journal, &name, sealed, length, space)) return 0;
  plain->length = size;
  return 1;
}

/* Seal the text under this name with the keys of `with`, and store it in the open transaction. */
static int store_kept_value(struct journal *journal, struct journal *with, const char *id, const struct buffer *text,
                            struct buffer *sealed) {
  const struct seal_name name = {"kept", journal->binding, id};
  sealed->length = 0;
  if (!journal_seal_encrypt(with, &name, text->data, text->length, sealed))
    return journal_store_refuse(journal, "not enough memory");
  sqlite3_stmt *keep = journal_store_statement(journal, KEEP);
  sqlite3_bind_text(keep, 1, id, -1, SQLITE_STATIC);
  sqlite3_bind_blob(keep, 2, sealed->data, (int)sealed->length, SQLITE_STATIC);
  int done = journal_store_run(journal, keep);
  sqlite3_clear_bindings(keep);
  return done;
}

static int drop_kept_value(struct journal *journal, const char *id) {
  sqlite3_stmt *drop = journal_store_statement(journal, DROP_KEPT);
  sqlite3_bind_text(drop, 1, id, -1, SQLITE_STATIC);
  return journal_store_run(journal, drop);
}

/* journal:keep(name, body | nil): nil drops the value. */
static int journal_keep(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  const char *name = journal_check_name(L, 2);
  lua_settop(L, 3);
  if (lua_isnil(L, 3))
    return journal_audit_begin(journal) && drop_kept_value(journal, name) ? 0 : journal_raise(L, journal);
  struct buffer *sealed = buffer_new(L);
  const struct buffer *body = journal_push_body(L, 3);
  int done = journal_audit_begin(journal) && store_kept_value(journal, journal, name, body, sealed);
  return journal_finish_body(L, journal, done);
}

/* journal:kept(name, to_change) -> body | nil | nil, message. With to_change a transaction begins first, so that no
 * other process replaces the value between the look and the caller's keep. */
static int journal_kept(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  const char *name = luaL_checkstring(L, 2);
  if (lua_toboolean(L, 3) && !journal_audit_begin(journal)) return journal_raise(L, journal);
  if (!journal->has_kept) return 0;
  struct buffer *plain = buffer_new(L);
  sqlite3_stmt *read = journal_store_statement(journal, KEPT);
  sqlite3_bind_text(read, 1, name, -1, SQLITE_TRANSIENT);
  if (!journal_next_row(L, journal, read)) return 0;
  int opened = open_kept_value(journal, name, read, 0, plain);
  sqlite3_reset(read);
  if (!opened)
    return lib_fail(L, "what is kept under '%s' cannot be opened: it was altered or moved from another record", name);
  journal_push_json(L, plain->data, plain->length);
  return 1;
}

/* journal:kept_names(start) -> the names that begin so, sorted */
static int journal_kept_names(lua_State *L) {
  struct journal *journal = journal_check_working(L);
  const char *start = luaL_checkstring(L, 2);
  lua_Integer count = 0;
  lua_newtable(L);
  if (!journal->has_kept) return 1;
  sqlite3_stmt *list = journal_store_statement(journal, KEPT_NAMES);
  sqlite3_bind_text(list, 1, start, -1, SQLITE_TRANSIENT);
  while (journal_next_row(L, journal, list)) {
    lua_pushlstring(L, (const char *)sqlite3_column_text(list, 0), (size_t)sqlite3_column_bytes(list, 0));
    lua_rawseti(L, -2, ++count);
  }
  return 1;
}

enum next_kept { KEPT_END, KEPT_OPENED, KEPT_ALTERED, KEPT_UNREAD };

/* Open the kept value whose name follows this name: name becomes its name, plain its text. Sets the message when the
 * value was altered, or cannot be read. */
static enum next_kept open_next_kept(struct journal *journal, char name[JOURNAL_BINDING + 1], struct buffer *plain) {
  sqlite3_stmt *find = journal_store_statement(journal, NEXT_KEPT);
  sqlite3_bind_text(find, 1, name, -1, SQLITE_TRANSIENT);
  int code = sqlite3_step(find);
  enum next_kept found = code == SQLITE_DONE ? KEPT_END : KEPT_UNREAD;
  const char *next = code == SQLITE_ROW ? (const char *)sqlite3_column_text(find, 0) : NULL;
  size_t length = next ? strlen(next) : 0;
  if (next && length == (size_t)sqlite3_column_bytes(find, 0) && length <= JOURNAL_BINDING) {
    memcpy(name, next, length + 1);
    found = open_kept_value(journal, name, find, 1, plain) ? KEPT_OPENED : KEPT_ALTERED;
  }
  if (found == KEPT_ALTERED)
    snprintf(journal->message, sizeof journal->message, "what is kept under '%s' was altered", name);
  if (found == KEPT_UNREAD)
    snprintf(journal->message, sizeof journal->message, "what is kept after '%s' cannot be read", name);
  sqlite3_reset(find);
  return found;
}

int journal_kept_verify(struct journal *journal) {
  struct buffer plain = {0};
  char name[JOURNAL_BINDING + 1] = "";
  enum next_kept found = journal->has_kept ? KEPT_OPENED : KEPT_END;
  while (found == KEPT_OPENED) found = open_next_kept(journal, name, &plain);
  buffer_free(&plain);
  return found == KEPT_END;
}

/* Seal each kept value with the key of the next journal. A value that was altered is dropped: no key opens it, and
 * without it the change of the key goes on. */
int journal_kept_rekey(struct journal *current, struct journal *next, struct buffer *scratch) {
  struct buffer plain = {0};
  char name[JOURNAL_BINDING + 1] = "";
  enum next_kept found = KEPT_OPENED;
  int done = 1;
  while (done && found != KEPT_END) {
    found = open_next_kept(current, name, &plain);
    if (found == KEPT_OPENED) done = store_kept_value(current, next, name, &plain, scratch);
    if (found == KEPT_ALTERED) done = drop_kept_value(current, name);
    if (found == KEPT_UNREAD) done = journal_store_refuse(current, "what it keeps beside its records cannot be read");
  }
  buffer_free(&plain);
  return done;
}

const luaL_Reg journal_kept_methods[] = {
    {"keep", journal_keep},
    {"kept", journal_kept},
    {"kept_names", journal_kept_names},
    {NULL, NULL},
};
