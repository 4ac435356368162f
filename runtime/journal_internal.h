/* Declarations that the files of host.journal share. Calls go down this list:
 * journal.c, journal_kept.c, journal_admin.c: functions for Lua, on the records, on values outside the chain, and on
 * the journal as a whole;
 * journal_rekey.c, journal_restore.c, journal_compact.c, journal_copy.c: a new key, a backup, a segment, a copy in
 * one file;
 * journal_owner.c: which tenant and installation the journal belongs to;
 * journal_mark.c: how far the chain had come;
 * journal_audit.c: the audit chain, and so every transaction;
 * journal_store.c: the database;
 * journal_seal.c: keys and sealing;
 * journal_place.c: folder and files;
 * journal_lease.c: kernel locks.
 *
 * Functions that return int return 1, or 0 with the reason in journal->message.
 */
#ifndef JOURNAL_INTERNAL_H
#define JOURNAL_INTERNAL_H

#include "journal.h"

#include <limits.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdint.h>

struct secret;

enum { JOURNAL_BINDING = 512 };                                 /* size of a binding and its NUL, at most */
enum { KEY_ID_SIZE = 4, SEAL_OVERHEAD = 1 + KEY_ID_SIZE + 28 }; /* version, key id, and the overhead of a box (box.h) */
enum { HASH_SIZE = 32, KEY_SIZE = 32, INSTALLATION_SIZE = 8, MOST_INSTALLATIONS = 64 };

/* The name that a sealed value is bound to: all three parts are authenticated data of its box. */
struct seal_name {
  const char *use; /* "value", "check" or "kept" */
  const char *binding;
  const char *id;
};

/* The head of the audit chain: number and hash of its last record. The stored head also has an HMAC. */
struct chain_head {
  int64_t seq;
  unsigned char hash[HASH_SIZE];
};

/* File names in the state folder. */
#define DATABASE_NAME "journal.db"
#define LEASES_NAME "leases"
#define RESTORED_NAME "journal.db.restored" /* a complete journal, before a restore renames it to journal.db */
#define MARK_NAME "journal.mark"
#define SEGMENT_ENDING ".segment"
#define BUDGET_START "writes-"

/* The content of the mark file. */
struct mark {
  char line[256]; /* empty when there is no mark */
  int damaged;    /* 1: the file is too long to be a mark */
};

/* Why a database is opened: as the journal in its folder, or as a copy in a single file. */
enum database_use { WORK, READ_FILE, WORK_FILE, MAKE_FILE, CHANGE_FILE };

enum statement {
  BEGIN,
  COMMIT,
  ROLLBACK,
  READ_META,
  WRITE_META,
  PUT,
  RECORD_AS_JSON,
  GET,
  LIST,
  SEAL,
  SEALED_AS_JSON,
  NEXT_SEALED,
  RESEAL,
  MOVE_SEALED,
  NEXT_RECORD,
  MOVE_RECORD,
  DROP_RECORD,
  FIRST_SINCE,
  CUT,
  UNSEAL,
  FORGET,
  APPEND,
  TAIL,
  HISTORY,
  RECORDS_AFTER,
  HASH_AT,
  WALK,
  ALTERED_RECORD,
  LOST_RECORD,
  ALTERED_VALUE,
  LOST_VALUE,
  FOREIGN_VALUE,
  FIRST_KEPT_STATEMENT, /* the statements on the table of kept values, which files of the first version lack */
  KEEP = FIRST_KEPT_STATEMENT,
  KEPT,
  DROP_KEPT,
  KEPT_NAMES,
  NEXT_KEPT,
  STATEMENTS
};

struct journal {
  sqlite3 *database; /* NULL once closed */
  sqlite3_stmt *statements[STATEMENTS];
  unsigned char *keys;               /* on the secure heap: the sealing key, then the key of the chain's HMACs */
  unsigned char key_id[KEY_ID_SIZE]; /* identifies the key, without revealing it */
  char *directory;                   /* without symbolic links */
  int folder;                        /* descriptor of the locked folder; 0 once closed */
  char *binding;
  /* The ids of its installations, 8 bytes each: the current one, then the former ones. The last is the one that the
   * journal was made with. */
  char installations[MOST_INSTALLATIONS * INSTALLATION_SIZE + 1];
  double restored_at;     /* 0: never restored */
  struct clock *clock;    /* an emulator's clock, borrowed from user value 1; NULL for real time */
  struct chain_head head; /* the head while a transaction is open */
  EVP_MD_CTX *hashing;    /* SHA-256 context, made once; NULL before the first record */
  enum database_use use;
  int has_kept;             /* 1: the file has the table of kept values */
  int is_segment;           /* 1: the file is a segment, which has only audit records */
  struct chain_head copied; /* head of the last backup */
  int marked;               /* 1: there is a mark, and it fits this journal */
  int mark_altered;         /* 1: there is a mark that this key did not make */
  int unmarked;             /* 1: something was committed since the mark was written */
  int writing;              /* 1: a transaction is open */
  int unchecked;            /* 1: the last read of a head or start failed, so it tells nothing */
  int refusing;             /* 1: a write failed, and every further write is refused */
  char message[1024];
};

/* journal.c */

/* Return the journal at index 1; raise its message when it refuses further writes. */
struct journal *journal_check_working(lua_State *L);

/* Raise the journal's message, as the error value that the opener's function makes of it. No position in a Lua file
 * is added, because a person reads it. */
int journal_raise(lua_State *L, const struct journal *journal);

/* Return the finite number at index; raise an argument error for another value. */
double journal_check_time(lua_State *L, int index);

/* Return the secret at index, which has to be long enough for a key; the binding at index. Raise an argument error
 * for another value. */
const struct secret *journal_check_key(lua_State *L, int index);
const char *journal_check_binding(lua_State *L, int index);

/* Return the name at index: 1 to 512 bytes without control characters and without a secret; raise an argument error for
 * another value. */
const char *journal_check_name(lua_State *L, int index);

/* Push the table at index as JSON in a borrowed buffer, after checking that it has no secret: neither a secret value
 * nor the text of a secret. [-0, +1, e] */
const struct buffer *journal_push_body(lua_State *L, int index);

/* Give back the body's buffer on top of the stack, and return nothing when the operation is done; else raise the
 * journal's message. */
int journal_finish_body(lua_State *L, const struct journal *journal, int done);

/* Step a reading statement: 1 for a row, 0 at the end. Raises an error when the database cannot be read. */
int journal_next_row(lua_State *L, struct journal *journal, sqlite3_stmt *statement);

/* Decode the JSON text of this length. Raises an error when it is not JSON. [-0, +1, e] */
void journal_push_json(lua_State *L, const char *text, size_t length);

/* journal_kept.c */

/* Further methods of a journal: values outside the chain. */
extern const luaL_Reg journal_kept_methods[];

/* Does every kept value open with the journal's key? Sets the message when one does not. */
int journal_kept_verify(struct journal *journal);

/* Seal every kept value with the next keys; part of the open transaction. */
int journal_kept_rekey(struct journal *current, struct journal *next, struct buffer *scratch);

/* journal_admin.c */

/* Further methods of a journal, and functions of host.journal. */
extern const luaL_Reg journal_admin_methods[];
extern const luaL_Reg journal_admin_functions[];

/* journal_store.c */

/* Open the database in the file, and bring its tables to the current version. Returns NULL, or the kind of failure. */
const char *journal_store_open(struct journal *journal, const char *file);

/* Are all pages of the database sound? */
int journal_store_check(struct journal *journal);

void journal_store_close(struct journal *journal);

/* Return the prepared statement, reset and without bindings. */
sqlite3_stmt *journal_store_statement(struct journal *journal, enum statement which);

/* Run a statement that returns no rows, and reset it. A failure ends the transaction, and the journal refuses every
 * further write. */
int journal_store_run(struct journal *journal, sqlite3_stmt *statement);

/* Begin a transaction without checking the chain: for a journal that has no chain yet. journal_store_abandon rolls it
 * back. */
int journal_store_lock(struct journal *journal);
void journal_store_abandon(struct journal *journal);

/* Commit the open transaction; it is durable afterwards. */
int journal_store_commit(struct journal *journal);

/* Roll back the transaction, and refuse every further write because of why. Returns 0. */
int journal_store_refuse(struct journal *journal, const char *why);

/* Copy a meta value into out, and return its length; 0 when there is none, or when it is longer than size. */
size_t journal_store_read_meta(struct journal *journal, const char *name, void *out, size_t size);
int journal_store_write_meta(struct journal *journal, const char *name, const void *value, size_t size);

/* journal_seal.c */

/* Derive the sealing key, the chain's key and the key id from the person's key. */
int journal_seal_derive(struct journal *journal, const char *key, size_t length);

/* Seal the value, and append version, key id and box to out. */
int journal_seal_encrypt(struct journal *journal, const struct seal_name *name, const char *plain, size_t length,
                         struct buffer *out);

/* Was the value sealed under another key? A value of the first version does not tell. */
int journal_seal_is_foreign(const struct journal *journal, const unsigned char *sealed, size_t length);

/* Return the length of the sealed plaintext; none when the bytes are not a sealed value. */
size_t journal_seal_plaintext_size(const unsigned char *sealed, size_t length, size_t none);

/* Open a sealed value into plain, which has room for journal_seal_plaintext_size bytes. 0 (and no message) when the
 * name, the key or the bytes differ from what was sealed. */
int journal_seal_decrypt(const struct journal *journal, const struct seal_name *name, const unsigned char *sealed,
                         size_t length, char *plain);

/* Compute the HMAC-SHA-256 of data under the chain's key; 0 when memory is out, and out is then unset. */
int journal_seal_mac(const struct journal *journal, const void *data, size_t length, unsigned char out[HASH_SIZE]);

/* journal_audit.c */

/* Return the seconds since 1970 on the clock in use. */
double journal_audit_now(const struct journal *journal);

/* Set head to the head of an empty chain; 0 when memory is out. */
int journal_audit_empty_head(const struct journal *journal, struct chain_head *head);

/* Read the head, and check it against its HMAC and the chain's last record. Returns NULL, or what is wrong (static
 * text). */
const char *journal_audit_read_head(struct journal *journal, struct chain_head *head);

/* Return the text, or that it is unknown whether the text is true: the last read of a head or start failed for lack of
 * memory, or because the file could not be read. Static text. */
const char *journal_audit_fault(const struct journal *journal, const char *text);

/* Read where the chain begins: at its first record, or after the records that are in segments. 0 when this key did
 * not seal the start, or that is unknown (journal_audit_fault). */
int journal_audit_read_start(struct journal *journal, struct chain_head *start);
int journal_audit_write_start(struct journal *journal, const struct chain_head *start);

/* Check the chain up to record `last`, and copy each sound record to another chain (NULL: none). at becomes the head
 * of the part that was checked. */
int journal_audit_walk(struct journal *journal, int64_t last, struct journal *to, struct chain_head *at);

/* Read the stored head, and check it against its HMAC alone; 0 when this key did not make it, or that is unknown
 * (journal_audit_fault). */
int journal_audit_read_stored_head(struct journal *journal, struct chain_head *head);

/* Copy the hash of the record with this number; 0 when there is no such record. */
int journal_audit_read_hash(struct journal *journal, int64_t seq, unsigned char hash[HASH_SIZE]);

/* Begin a transaction, unless one is open. Refuses when the head of the chain does not fit the chain and this key.
 * journal_audit_commit ends it. */
int journal_audit_begin(struct journal *journal);

/* Append a record to the chain; a transaction has to be open. */
int journal_audit_append(struct journal *journal, double time, const char *kind, const char *body, size_t length);

/* Append the JSON that the statement as_json returns for the row that was just written. */
int journal_audit_append_row(struct journal *journal, sqlite3_stmt *as_json, double time, const char *kind);

/* Write the sealed value under this id with the statement SEAL (a new value) or RESEAL (one that is there), and append
 * an audit record; a transaction has to be open. */
int journal_audit_write_sealed(struct journal *journal, enum statement which, double time, const char *id,
                               const struct buffer *sealed);

/* The kinds of the journal's own audit records. */
#define AUDIT_PUT "journal.put"
#define AUDIT_SEAL "journal.seal"
#define AUDIT_FORGET "journal.forget"
#define AUDIT_COMPACT "journal.compact"
#define AUDIT_REKEY "journal.rekey"
#define AUDIT_RESTORE "journal.restore"

/* Check the chain and all rows. Returns 1 and the count of audit records; or 0, the message, and the number of the
 * record that is wrong (0: none). */
int journal_audit_verify(struct journal *journal, int64_t *count, int64_t *seq);

/* journal_compact.c */

/* The request to compact a journal, and its outcome. */
struct compact {
  double before, time;
  int64_t last;               /* the last record that is moved to the segment; 0: none is */
  struct chain_head start;    /* where the chain began before */
  char segment[NAME_MAX + 1]; /* the name of the new segment */
  int64_t carried;            /* records that were written again because they are about rows that stay */
};

/* Find the records that are older than compact->before, and write them to a segment in the folder. Returns NULL, or
 * the kind of failure. */
const char *journal_compact_write(struct journal *journal, struct compact *compact, struct buffer *scratch);

/* Begin to remove these records from the chain. Between begin and end, rows may be dropped; end writes the records of
 * the rows that stay again. */
int journal_compact_begin(struct journal *journal, struct compact *compact);
int journal_compact_drop_row(struct journal *journal, const struct compact *compact, const char *kind, const char *id);
int journal_compact_end(struct journal *journal, struct compact *compact);

/* journal_rekey.c */

/* Seal the journal in the folder, which opens with the keys of old, under the keys of next, in one transaction. A
 * journal that opens with the keys of next already is no failure: count is 0. Returns NULL, or the kind of failure
 * with the message in old. */
const char *journal_rekey_live(struct journal *old, struct journal *next, const char *directory, double time,
                               struct buffer *scratch, int64_t *count);

/* The same for a segment, in which only the seals change. */
const char *journal_rekey_segment(struct journal *old, struct journal *next, const char *path, struct buffer *scratch);

/* journal_restore.c */

/* The request to restore a backup, and its outcome. */
struct restore {
  const char *file;
  double time;
  int replaces;                                        /* 1: the journal keeps its installation id */
  int set_aside;                                       /* 1: move a journal that is there aside */
  char ids[sizeof((struct journal){0}.installations)]; /* installation ids of the journal that was there */
  char existing[800];                                  /* description of the journal that was there; empty: none */
  char aside[PATH_MAX + 64];                           /* where that journal was moved to; empty: it was not moved */
};

/* Put the backup in the place of the journal in the folder. journal has keys and binding, and gets installation ids
 * and head. Returns NULL, or the kind of failure: "busy", "living", "restoring", or a kind of opening a journal. */
const char *journal_restore_file(struct journal *journal, struct restore *restore, const char *directory,
                                 struct buffer *scratch);

/* journal_copy.c */

/* Return the path argument at index, with its folder free of symbolic links: SQLite follows no link. [-0, +0|1, e] */
const char *journal_copy_resolve(lua_State *L, int index);

/* Open a file as a journal, with the keys and binding of another one. Returns NULL, or the kind of failure; close the
 * copy in both cases. */
const char *journal_copy_open(struct journal *copy, const struct journal *like, const char *file,
                              enum database_use use);
void journal_copy_close(struct journal *copy);

/* Make the private file for a copy; a file that a stopped run left is replaced. 0 or an errno value. */
int journal_copy_make_part(const char *part);

/* Turn the part into a database in a single file, and make it durable. 0 or an errno value. */
int journal_copy_make_single_file(const char *part);

/* Copy a database to the file part, which is made new, and make it durable. Returns NULL, or the kind of failure. */
const char *journal_copy_database(struct journal *journal, sqlite3 *from, const char *part);

/* Copy the committed journal to the new file path, verified and durable; journal->copied is its head. Returns NULL,
 * or the kind of failure: "exists", "damaged", "io". */
const char *journal_copy_backup(struct journal *journal, const char *path);

/* journal_mark.c */

/* Read the mark, before the database is opened. */
void journal_mark_read(const struct journal *journal, struct mark *mark);

/* Compare the journal with the mark. Returns NULL, or "older" with the message. */
const char *journal_mark_check(struct journal *journal, struct mark *mark);

/* Write the mark for the current head; 0 or an errno value. */
int journal_mark_write(const struct journal *journal);

/* Write the mark when the journal is closed, unless the mark is up to date or was altered. */
void journal_mark_renew(struct journal *journal);

/* journal_owner.c */

/* Check the owner's record, which tells whether the key opens this journal and which tenant it belongs to; make the
 * record in a new journal. Returns NULL, or "key", "binding", "damaged", "io". */
const char *journal_owner_check(struct journal *journal, struct buffer *scratch);

/* Write the owner's record under the current keys. */
int journal_owner_write(struct journal *journal, struct buffer *scratch);

/* Is this one of the journal's installation ids, current or former? */
int journal_owner_has_installation(const struct journal *journal, const char *id);

/* Check the owner's record of an existing journal. Returns NULL, or "key", "binding", "damaged". */
const char *journal_owner_read(struct journal *journal);

/* Record that the journal was restored from a backup at this time: under a new installation id or, with replaces,
 * under the current one. The ids in others (NULL: none) become former ones. Part of the transaction that is open, or
 * that begins here. */
int journal_owner_record_restore(struct journal *journal, double time, int replaces, const char *others,
                                 struct buffer *scratch);

/* journal_place.c */

/* Find or make the folder and the database file, and lock the folder in shared mode. Returns NULL, or the kind of
 * failure: "io"; "gone" when the journal was taken away; "restoring" when a restore was stopped. */
const char *journal_place_open(struct journal *journal, const char *directory, char file[PATH_MAX]);

/* Was a restore stopped between its steps? Then no journal may be opened: returns "restoring", else NULL. */
const char *journal_place_check_restoring(struct journal *journal);

/* Find or make the folder, and lock it in exclusive mode. Returns NULL, or "busy", "io". */
const char *journal_place_open_alone(struct journal *journal, const char *directory);

/* Unlock the folder. Idempotent. */
void journal_place_close(struct journal *journal);

/* Find a file in the folder that is made only after a journal was made, and copy its name; 0 when there is none. */
int journal_place_find_evidence(const struct journal *journal, char found[NAME_MAX + 1]);

/* Set the message that the journal was taken away; returns "gone". */
const char *journal_place_fail_gone(struct journal *journal, const char *how, const char *evidence);

/* Set the message why the journal in the folder cannot be opened; returns the kind. */
const char *journal_place_fail_open(struct journal *journal, const char *directory, const char *kind, const char *why);

/* journal_lease.c */

void journal_lease_type(lua_State *L);

/* Push a lease on the name and return 1; or push nil, a message and a kind and return 3: "busy" when another process
 * or lease has it, "journal" when the lock file cannot be opened or locked. [-0, +1|3, m] */
int journal_lease_take(lua_State *L, const char *directory, const char *name, size_t length);

#endif
