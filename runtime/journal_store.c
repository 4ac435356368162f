/* The journal's database: SQLite in WAL mode, each commit synced.
 *
 * After a failed write the journal refuses every further write: the page cache may or may not match the disk after a
 * failed fsync, and another try would hide that. The transaction is rolled back, and the next process finds the last
 * commit that succeeded.
 */
#include "hex.h"
#include "journal_internal.h"
#include "sys.h"

#include <errno.h>
#include <limits.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 5000 /* how long a second writer waits for the first */

/* The JSON in the chain for a record and for a sealed value. It is built when they are written, and again to compare
 * them with the chain. */
#define RECORD_JSON                                                                                                    \
  "json_object('kind', records.kind, 'id', records.id, 'state', records.state, 'created', records.created,"            \
  " 'body', json(records.body))"
#define VALUE_JSON "json_object('id', sealed.id, 'digest', sha256(sealed.value))"

/* The last audit record about each record, and about each sealed value. */
#define LAST_PUTS                                                                                                      \
  "SELECT json_extract(body, '$.kind') AS kind, json_extract(body, '$.id') AS id, max(seq) AS seq FROM audit"          \
  " WHERE kind = '" AUDIT_PUT "' GROUP BY 1, 2"
#define LAST_SEALS                                                                                                     \
  "SELECT id, seq FROM (SELECT json_extract(body, '$.id') AS id, max(seq) AS seq, kind FROM audit"                     \
  " WHERE kind IN ('" AUDIT_SEAL "', '" AUDIT_FORGET "') GROUP BY 1) WHERE kind = '" AUDIT_SEAL "'"

/* Step i brings the database from version i to i + 1. Add steps; never change one. */
static const char *const migrations[] = {
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE TABLE audit (seq INTEGER PRIMARY KEY, time REAL NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,"
    "  hash BLOB NOT NULL) STRICT;"
    "CREATE TABLE records (number INTEGER PRIMARY KEY, kind TEXT NOT NULL, id TEXT NOT NULL, state TEXT NOT NULL,"
    "  body TEXT NOT NULL, created REAL NOT NULL, updated REAL NOT NULL, seq INTEGER NOT NULL, UNIQUE (kind, id)) "
    "STRICT;"
    "CREATE TABLE sealed (id TEXT PRIMARY KEY, value BLOB NOT NULL, seq INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
    "CREATE TABLE kept (name TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT, WITHOUT ROWID;",
};
enum { SCHEMA_VERSION = sizeof migrations / sizeof *migrations, KEPT_VERSION = 2 };

static const char *const statement_texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [READ_META] = "SELECT value FROM meta WHERE name = ?1",
    [WRITE_META] = "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    [PUT] = "INSERT INTO records (kind, id, state, body, created, updated, seq) VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6)"
            " ON CONFLICT (kind, id) DO UPDATE SET state = excluded.state, body = excluded.body,"
            " updated = excluded.updated, seq = excluded.seq",
    [RECORD_AS_JSON] = "SELECT " RECORD_JSON " FROM records WHERE kind = ?1 AND id = ?2",
    [GET] = "SELECT kind, id, state, body, created, updated FROM records WHERE kind = ?1 AND id = ?2",
    [LIST] = "SELECT kind, id, state, body, created, updated FROM records WHERE (?1 IS NULL OR kind = ?1)"
             " AND (?2 IS NULL OR state <> ?2) ORDER BY number",
    [SEAL] = "INSERT INTO sealed VALUES (?1, ?2, ?3)",
    [SEALED_AS_JSON] = "SELECT " VALUE_JSON " FROM sealed WHERE id = ?1",
    [NEXT_SEALED] = "SELECT id, value FROM sealed WHERE id > ?1 AND seq <= ?2 ORDER BY id LIMIT 1",
    [MOVE_SEALED] = "UPDATE sealed SET seq = ?2 WHERE id = ?1",
    [NEXT_RECORD] = "SELECT number, kind, id, updated FROM records WHERE number > ?1 AND seq <= ?2"
                    " ORDER BY number LIMIT 1",
    [MOVE_RECORD] = "UPDATE records SET seq = ?2 WHERE number = ?1",
    [DROP_RECORD] = "DELETE FROM records WHERE kind = ?1 AND id = ?2 AND seq <= ?3",
    [FIRST_SINCE] = "SELECT seq FROM audit WHERE time >= ?1 ORDER BY seq LIMIT 1",
    [CUT] = "DELETE FROM audit WHERE seq <= ?1",
    [RESEAL] = "UPDATE sealed SET value = ?2, seq = ?3 WHERE id = ?1",
    [UNSEAL] = "SELECT value FROM sealed WHERE id = ?1",
    [FORGET] = "DELETE FROM sealed WHERE id = ?1",
    [APPEND] = "INSERT INTO audit VALUES (?1, ?2, ?3, ?4, ?5)",
    [TAIL] = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1",
    [HISTORY] = "SELECT * FROM (SELECT seq, time, kind, body FROM audit ORDER BY seq DESC LIMIT ?1) ORDER BY seq",
    [RECORDS_AFTER] = "SELECT seq, time, kind, body, hash FROM audit WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    [HASH_AT] = "SELECT hash FROM audit WHERE seq = ?1",
    [WALK] = "SELECT seq, time, kind, body, hash FROM audit WHERE seq <= ?1 ORDER BY seq",
    [ALTERED_RECORD] =
        "SELECT kind || ' ' || id, seq FROM records WHERE NOT EXISTS (SELECT 1 FROM audit"
        " WHERE audit.seq = records.seq AND audit.kind = '" AUDIT_PUT "' AND audit.time = records.updated"
        " AND audit.body = " RECORD_JSON ") LIMIT 1",
    [LOST_RECORD] =
        "SELECT kind || ' ' || id, seq FROM (" LAST_PUTS " EXCEPT SELECT kind, id, seq FROM records) LIMIT 1",
    [ALTERED_VALUE] = "SELECT id, seq FROM sealed WHERE NOT EXISTS (SELECT 1 FROM audit WHERE audit.seq = sealed.seq"
                      " AND audit.kind = '" AUDIT_SEAL "' AND audit.body = " VALUE_JSON ") LIMIT 1",
    [LOST_VALUE] = "SELECT id, seq FROM (" LAST_SEALS " EXCEPT SELECT id, seq FROM sealed) LIMIT 1",
    [FOREIGN_VALUE] = "SELECT id, seq FROM (SELECT id, seq FROM sealed EXCEPT " LAST_SEALS ") LIMIT 1",
    [KEEP] = "INSERT INTO kept VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    [KEPT] = "SELECT value FROM kept WHERE name = ?1",
    [DROP_KEPT] = "DELETE FROM kept WHERE name = ?1",
    [KEPT_NAMES] = "SELECT name FROM kept WHERE substr(name, 1, length(?1)) = ?1 ORDER BY name",
    [NEXT_KEPT] = "SELECT name, value FROM kept WHERE name > ?1 ORDER BY name LIMIT 1",
};

/* sha256(blob) -> hex: an SQL function, for queries that compare sealed values with the chain. */
static void sql_sha256(sqlite3_context *context, int count, sqlite3_value **values) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  char hex[2 * SHA256_DIGEST_LENGTH + 1];
  (void)count;
  const void *data = sqlite3_value_blob(values[0]);
  if (!SHA256(data ? data : "", (size_t)sqlite3_value_bytes(values[0]), hash)) {
    sqlite3_result_error_nomem(context);
    return;
  }
  sqlite3_result_text(context, hex_text(hash, sizeof hash, hex), -1, SQLITE_TRANSIENT);
}

/* Was a change of the file interrupted, which a connection that only reads may not undo? */
static int is_change_interrupted(const struct journal *journal) {
  return sqlite3_extended_errcode(journal->database) == SQLITE_READONLY_ROLLBACK;
}

/* Return SQLite's message, with the system's where there is one. */
static const char *database_error(const struct journal *journal, char *text, size_t size) {
  if (is_change_interrupted(journal)) return "a change of its key was interrupted, and is neither done nor undone yet";
  int code = sqlite3_errcode(journal->database), system_code = sqlite3_system_errno(journal->database);
  int has_word = (code == SQLITE_IOERR || code == SQLITE_CANTOPEN || code == SQLITE_FULL) && system_code;
  snprintf(text, size, "%s%s%s%s", sqlite3_errmsg(journal->database), has_word ? " (" : "",
           has_word ? strerror(system_code) : "", has_word ? ")" : "");
  return text;
}

/* Return what a person can do about the database's error. */
static const char *database_advice(const struct journal *journal) {
  int code = sqlite3_errcode(journal->database), system_code = sqlite3_system_errno(journal->database);
  if (code == SQLITE_FULL || system_code == ENOSPC || system_code == EDQUOT) return "Make room on that disk";
  if (code == SQLITE_READONLY || code == SQLITE_PERM || system_code == EROFS) return "Make that folder writable";
  return "Check that disk";
}

void journal_store_abandon(struct journal *journal) {
  if (journal->writing)
    sqlite3_exec(journal->database, "ROLLBACK", NULL, NULL, NULL); /* SQLite may have rolled back already */
  journal->writing = 0;
}

int journal_store_refuse(struct journal *journal, const char *why) {
  snprintf(journal->message, sizeof journal->message, "the journal cannot be written: %s", why);
  journal->refusing = 1;
  journal_store_abandon(journal);
  return 0;
}

/* Refuse every further write because of the database's error. */
static int refuse_after_database_error(struct journal *journal) {
  char space[256], why[768];
  snprintf(why, sizeof why,
           "%s, in '%s'. What was not yet committed is not kept and nothing more is sent. %s, then run the same "
           "command again: "
           "it goes on from the last commit",
           database_error(journal, space, sizeof space), journal->directory, database_advice(journal));
  return journal_store_refuse(journal, why);
}

sqlite3_stmt *journal_store_statement(struct journal *journal, enum statement which) {
  sqlite3_stmt *statement = journal->statements[which];
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return statement;
}

int journal_store_run(struct journal *journal, sqlite3_stmt *statement) {
  int code = sqlite3_step(statement);
  int done = code == SQLITE_DONE || refuse_after_database_error(journal);
  sqlite3_reset(statement);
  return done;
}

/* Set the message that another process writes. That is no failure of the database, so the journal does not refuse
 * later writes. */
static int fail_database_busy(struct journal *journal) {
  snprintf(journal->message, sizeof journal->message,
           "the journal cannot be written: another moonlatch has been writing to '%s' for more than %d seconds. "
           "Wait for it, or stop it",
           journal->directory, BUSY_MS / 1000);
  return 0;
}

int journal_store_lock(struct journal *journal) {
  sqlite3_stmt *begin = journal_store_statement(journal, BEGIN);
  int code = sqlite3_step(begin);
  sqlite3_reset(begin);
  if (code == SQLITE_BUSY) return fail_database_busy(journal);
  if (code != SQLITE_DONE) return refuse_after_database_error(journal);
  journal->writing = 1;
  return 1;
}

int journal_store_commit(struct journal *journal) {
  if (!journal_store_run(journal, journal_store_statement(journal, COMMIT))) return 0;
  journal->writing = 0;
  return 1;
}

size_t journal_store_read_meta(struct journal *journal, const char *name, void *out, size_t size) {
  sqlite3_stmt *read = journal_store_statement(journal, READ_META);
  sqlite3_bind_text(read, 1, name, -1, SQLITE_STATIC);
  int code = sqlite3_step(read);
  size_t length = code == SQLITE_ROW ? (size_t)sqlite3_column_bytes(read, 0) : 0;
  journal->unchecked = code != SQLITE_ROW && code != SQLITE_DONE;
  if (length > size) length = 0;
  if (length) memcpy(out, sqlite3_column_blob(read, 0), length);
  sqlite3_reset(read);
  return length;
}

int journal_store_write_meta(struct journal *journal, const char *name, const void *value, size_t size) {
  sqlite3_stmt *write = journal_store_statement(journal, WRITE_META);
  sqlite3_bind_text(write, 1, name, -1, SQLITE_STATIC);
  sqlite3_bind_blob(write, 2, value, (int)size, SQLITE_STATIC);
  return journal_store_run(journal, write);
}

void journal_store_close(struct journal *journal) {
  for (int i = 0; i < STATEMENTS; i++) sqlite3_finalize(journal->statements[i]);
  if (journal->database) sys_interrupt_count_journal(-1);
  sqlite3_close(journal->database); /* an open transaction is rolled back */
  free(journal->directory);
  memset(journal->statements, 0, sizeof journal->statements);
  journal->database = NULL;
  journal->directory = NULL;
}

static const char *database_failure_kind(const struct journal *journal) {
  int code = sqlite3_errcode(journal->database);
  if (is_change_interrupted(journal)) return "interrupted";
  return code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? "damaged" : "io";
}

/* Run SQL, and compare the first column of its first row with word (NULL: accept any). */
static int expect_sql_value(struct journal *journal, const char *sql, const char *word) {
  sqlite3_stmt *statement = NULL;
  if (sqlite3_prepare_v2(journal->database, sql, -1, &statement, NULL) != SQLITE_OK) return 0;
  int code = sqlite3_step(statement);
  const char *value = code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : NULL;
  int ok = word ? value && strcmp(value, word) == 0 : code == SQLITE_ROW || code == SQLITE_DONE;
  sqlite3_finalize(statement); /* the error stays available from sqlite3_errcode */
  return ok;
}

/* Configure the connection. A cache of 512 KiB is enough, because the system caches the pages too. A WORK_FILE copy
 * is thrown away when a write fails and synced afterwards, so its rollback journal may be in memory; a CHANGE_FILE
 * stays, so it is changed completely or not at all. */
static int configure_database(struct journal *journal) {
  static const char *const modes[][2] = {
      [WORK] = {"PRAGMA journal_mode = WAL", "wal"},
      [READ_FILE] = {"PRAGMA query_only = ON", NULL},
      [WORK_FILE] = {"PRAGMA journal_mode = MEMORY", "memory"},
      [MAKE_FILE] = {"PRAGMA journal_mode = MEMORY", "memory"},
      [CHANGE_FILE] = {"PRAGMA journal_mode = DELETE", "delete"},
  };
  const char *const pragmas[][2] = {
      {"PRAGMA trusted_schema = OFF", NULL},
      {"PRAGMA cell_size_check = ON", NULL},
      {"PRAGMA secure_delete = ON", NULL},
      {"PRAGMA temp_store = MEMORY", NULL},
      {modes[journal->use][0], modes[journal->use][1]},
      {"PRAGMA synchronous = FULL", NULL},
      {"PRAGMA cache_size = -512", NULL},
  };
  sqlite3 *database = journal->database;
  int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
  sqlite3_busy_timeout(database, BUSY_MS);
  sqlite3_db_config(database, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
  if (sqlite3_create_function(database, "sha256", 1, flags, NULL, sql_sha256, NULL, NULL) != SQLITE_OK) return 0;
  for (size_t i = 0; i < sizeof pragmas / sizeof *pragmas; i++)
    if (!expect_sql_value(journal, pragmas[i][0], pragmas[i][1])) return 0;
  return 1;
}

/* Return the version of the tables; 0 in a new file, -1 when it cannot be read. */
static int read_schema_version(struct journal *journal) {
  sqlite3_stmt *statement = NULL;
  int version = -1;
  if (sqlite3_prepare_v2(journal->database, "PRAGMA user_version", -1, &statement, NULL) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW)
    version = sqlite3_column_int(statement, 0);
  sqlite3_finalize(statement);
  return version;
}

/* Are the pages of the tables sound that are needed first and stay small? The other pages are checked when they are
 * read, and all of them by journal_store_check, which takes longer the more records there are. */
static int are_small_tables_sound(struct journal *journal) {
  if (read_schema_version(journal) == 0) return expect_sql_value(journal, "PRAGMA quick_check(1)", "ok");
  return expect_sql_value(journal, "PRAGMA quick_check('meta')", "ok") &&
         expect_sql_value(journal, "PRAGMA quick_check('sealed')", "ok");
}

/* Run the missing steps, and store the new version. */
static int run_database_migrations(struct journal *journal) {
  char last[64];
  int version = read_schema_version(journal);
  if (version < 0) return 0;
  for (int i = version; i < SCHEMA_VERSION; i++)
    if (sqlite3_exec(journal->database, migrations[i], NULL, NULL, NULL) != SQLITE_OK) return 0;
  snprintf(last, sizeof last, "PRAGMA user_version = %d; COMMIT", SCHEMA_VERSION);
  return sqlite3_exec(journal->database, last, NULL, NULL, NULL) == SQLITE_OK;
}

/* Bring the tables to the current version in one transaction. A second process waits, and finds them done. */
static int migrate_database(struct journal *journal) {
  if (read_schema_version(journal) == SCHEMA_VERSION) return 1;
  return sqlite3_exec(journal->database, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK &&
         run_database_migrations(journal);
}

int journal_store_check(struct journal *journal) {
  return expect_sql_value(journal, "PRAGMA quick_check(1)", "ok");
}

/* Configure the connection, and try again while another process opens or closes the file: SQLite then reports busy at
 * once, whatever the timeout. */
static int configure_when_free(struct journal *journal) {
  int left = BUSY_MS;
  while (!configure_database(journal)) {
    if (sqlite3_errcode(journal->database) != SQLITE_BUSY || left <= 0) return 0;
    left -= sqlite3_sleep(20);
  }
  return 1;
}

/* A file of the first version that is only read has no table of kept values, so the statements on it stay NULL. */
static int prepare_sql_statements(struct journal *journal) {
  journal->has_kept = read_schema_version(journal) >= KEPT_VERSION;
  for (int i = 0; i < (journal->has_kept ? STATEMENTS : FIRST_KEPT_STATEMENT); i++) {
    int code = sqlite3_prepare_v3(journal->database, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                                  &journal->statements[i], NULL);
    if (code != SQLITE_OK) return 0;
  }
  return 1;
}

/* Is this object of the schema one of ours, by its SQL? An index that SQLite made by itself has no SQL. */
static int is_known_schema_object(const char *name, const char *sql) {
  if (!sql) return strncmp(name, "sqlite_autoindex_", 17) == 0;
  for (int i = 0; i < SCHEMA_VERSION; i++) {
    const char *found = strstr(migrations[i], sql);
    if (found && found[strlen(sql)] == ';') return 1;
  }
  return 0;
}

/* Fail when the file has a schema object that is not ours: a trigger or a view could change data, and a wrong index
 * makes records disappear. Returns NULL, or "damaged". */
static const char *check_database_schema(struct journal *journal) {
  sqlite3_stmt *list = NULL;
  char why[512] = "";
  sqlite3_prepare_v2(journal->database, "SELECT type, name, sql FROM sqlite_schema", -1, &list, NULL);
  while (!*why && sqlite3_step(list) == SQLITE_ROW) {
    const char *name = (const char *)sqlite3_column_text(list, 1), *sql = (const char *)sqlite3_column_text(list, 2);
    if (is_known_schema_object(name, sql)) continue;
    snprintf(why, sizeof why,
             "journal.db has the %s '%.200s', which moonlatch did not make: somebody added it, so nothing in the file "
             "can be trusted",
             (const char *)sqlite3_column_text(list, 0), name);
  }
  sqlite3_finalize(list);
  return *why ? journal_place_fail_open(journal, journal->directory, "damaged", why) : NULL;
}

/* Fail when the file has no tables although there was a journal. Returns NULL, or "gone". */
static const char *check_database_emptied(struct journal *journal) {
  char evidence[NAME_MAX + 1];
  if (read_schema_version(journal) != 0 || !journal_place_find_evidence(journal, evidence) ||
      read_schema_version(journal) != 0)
    return NULL;
  return journal_place_fail_gone(journal, "is empty", evidence);
}

/* Did the last statement fail because of the disk or memory, and not because of the file's content? */
static int database_failed_to_read(const struct journal *journal) {
  int code = sqlite3_errcode(journal->database);
  int ran = code == SQLITE_OK || code == SQLITE_ROW || code == SQLITE_DONE;
  return !ran && code != SQLITE_CORRUPT && code != SQLITE_NOTADB;
}

/* Fail when a copy has no tables. Returns NULL, or "damaged". */
static const char *check_database_not_empty(struct journal *journal) {
  return read_schema_version(journal) > 0 || journal->use == MAKE_FILE
             ? NULL
             : journal_place_fail_open(journal, journal->directory, "damaged", "it is not a journal");
}

/* Configure, check and migrate the open database. Returns NULL, or the kind of failure; NULL and 0 in done: SQLite
 * has the error. */
static const char *prepare_database(struct journal *journal, int *done) {
  *done = configure_when_free(journal);
  if (!*done) return NULL;
  int sound = are_small_tables_sound(journal);
  *done = sound || !database_failed_to_read(journal);
  if (!*done) return NULL;
  if (!sound)
    return journal_place_fail_open(journal, journal->directory, "damaged",
                                   "its pages are damaged; keep the folder and bring back a backup");
  if (read_schema_version(journal) > SCHEMA_VERSION)
    return journal_place_fail_open(journal, journal->directory, "newer", "a newer version of Moonlatch made it");
  const char *kind = journal->use == WORK ? check_database_emptied(journal) : check_database_not_empty(journal);
  if (kind) return kind;
  *done = journal->use == READ_FILE || migrate_database(journal);
  kind = *done ? check_database_schema(journal) : NULL;
  if (!kind) *done = *done && prepare_sql_statements(journal);
  return kind;
}

const char *journal_store_open(struct journal *journal, const char *file) {
  char space[256];
  int mode = journal->use == READ_FILE ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
  int flags = mode | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX;
  int done = sqlite3_open_v2(file, &journal->database, flags, NULL) == SQLITE_OK;
  if (!journal->database) return journal_place_fail_open(journal, journal->directory, "io", "not enough memory");
  sys_interrupt_count_journal(1);
  const char *kind = done ? prepare_database(journal, &done) : NULL;
  if (kind || done) return kind;
  return journal_place_fail_open(journal, journal->directory, database_failure_kind(journal),
                                 database_error(journal, space, sizeof space));
}
