/* What the files of host.journal share: journal.c and journal_care.c (the Lua
 * face: of what is in a journal, and of a journal as a whole),
 * journal_rekey.c, journal_restore.c, journal_compact.c, journal_copy.c (in a single file), journal_owner.c
 * (whose it is), journal_mark.c (how far it had come), journal_audit.c (the
 * chain, and so every transaction), journal_store.c (the database),
 * journal_seal.c (keys and sealing), journal_place.c (folder and file),
 * journal_lease.c (kernel locks). Calls go down that list.
 *
 * Functions that return int return 1, or 0 with the reason in
 * journal->message.
 */
#ifndef JOURNAL_INTERNAL_H
#define JOURNAL_INTERNAL_H

#include "journal.h"

#include <limits.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdint.h>

struct secret;

enum { JOURNAL_BINDING = 512 };                                 /* bytes of a binding, at most */
enum { KEY_ID_SIZE = 4, SEAL_OVERHEAD = 1 + KEY_ID_SIZE + 28 }; /* the version, the key's id and a box (box.h) */
enum { HASH_SIZE = 32, KEY_SIZE = 32, INSTALLATION_SIZE = 8, MOST_INSTALLATIONS = 64 };

/* What a value is sealed as: all three go into its authenticated data. */
struct seal_name {
  const char *use; /* "value" or "check" */
  const char *binding;
  const char *id;
};

/* The chain's end: as stored, it carries an HMAC besides. */
struct head {
  int64_t seq;
  unsigned char hash[HASH_SIZE];
};

/* The names in the state folder. */
#define DATABASE_NAME "journal.db"
#define LEASES_NAME "leases"
#define RESTORED_NAME "journal.db.restored" /* a whole one, about to take its place */
#define MARK_NAME "journal.mark"
#define SEGMENT_ENDING ".segment"
#define BUDGET_START "writes-"

/* What the mark said when it was read. */
struct mark {
  char line[256]; /* empty: there is none */
  int damaged;    /* 1: there is one that nobody of ours wrote */
};

/* What a database is opened for: the journal in its folder, or a copy in a single file. */
enum use { WORK, READ_FILE, WORK_FILE, MAKE_FILE, CHANGE_FILE };

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
  HASH_AT,
  WALK,
  ALTERED_RECORD,
  LOST_RECORD,
  ALTERED_VALUE,
  LOST_VALUE,
  FOREIGN_VALUE,
  STATEMENTS
};

struct journal {
  sqlite3 *database; /* NULL once closed */
  sqlite3_stmt *statements[STATEMENTS];
  unsigned char *keys;               /* on the secure heap: the sealing key, then the chain's */
  unsigned char key_id[KEY_ID_SIZE]; /* tells the key apart, and tells nothing of it */
  char *directory;                   /* as the file system spells it */
  int place;                         /* the folder, locked; 0 once closed */
  char *binding;
  /* The ids of its installations, 8 bytes each: its own, then the former ones. The last is the one it was made with. */
  char installations[MOST_INSTALLATIONS * INSTALLATION_SIZE + 1];
  double restored_at;  /* 0: never */
  struct clock *clock; /* an emulator's, borrowed from user value 1; NULL for real time */
  struct head head;    /* while writing */
  EVP_MD_CTX *hashing; /* SHA-256, fetched once; NULL before the first record */
  enum use use;
  int is_segment;     /* 1: records that were taken out of a chain, and nothing else */
  struct head copied; /* of the last backup */
  int marked;         /* 1: the mark beside it is ours, and fits */
  int mark_altered;   /* 1: there is one that this key did not make */
  int unmarked;       /* 1: something was committed that the mark does not know of */
  int writing;        /* 1: a transaction is open */
  int refusing;       /* 1: a write failed; nothing goes any more */
  char message[1024];
};

/* journal.c */

/* The journal at index 1, if it still does anything; else raises why it does not. */
struct journal *journal_check_working(lua_State *L);

/* Raise the journal's message, or what was asked to be made of it: it is for a person, not about a line of Lua. */
int journal_raise(lua_State *L, const struct journal *journal);

/* A finite number; an argument error otherwise. */
double journal_check_time(lua_State *L, int index);

/* A secret that is long enough for a key, and a binding; argument errors otherwise. */
const struct secret *journal_check_key(lua_State *L, int index);
const char *journal_check_binding(lua_State *L, int index);

/* journal_care.c */

/* More methods of a journal, and functions of host.journal. */
extern const luaL_Reg journal_care_methods[];
extern const luaL_Reg journal_care_functions[];

/* journal_store.c */

/* Open the database in that file, and bring its tables to our version. NULL, or the kind of failure. */
const char *journal_store_open(struct journal *journal, const char *file);

/* Are all pages of the database as they should be? */
int journal_store_check(struct journal *journal);

void journal_store_close(struct journal *journal);

/* A prepared statement, reset. */
sqlite3_stmt *journal_store_statement(struct journal *journal, enum statement which);

/* Step a statement that gives no rows, and reset it. A failure ends the
 * transaction and makes the journal refuse everything. */
int journal_store_run(struct journal *journal, sqlite3_stmt *statement);

/* Take the lock to write, whatever the chain says: for a journal that has none
 * yet. journal_store_abandon gives it back. */
int journal_store_lock(struct journal *journal);
void journal_store_abandon(struct journal *journal);

/* Make the open transaction durable. */
int journal_store_commit(struct journal *journal);

/* Give up the transaction and refuse everything from now on. Returns 0. */
int journal_store_refuse(struct journal *journal, const char *why);

/* Copy a meta value into out and return its length; 0 when there is none or it is longer than size. */
size_t journal_store_read_meta(struct journal *journal, const char *name, void *out, size_t size);
int journal_store_write_meta(struct journal *journal, const char *name, const void *value, size_t size);

/* journal_seal.c */

/* Derive both keys from the person's. */
int journal_seal_derive(struct journal *journal, const char *key, size_t length);

/* Append nonce, ciphertext and tag. */
int journal_seal_encrypt(struct journal *journal, const struct seal_name *name, const char *plain, size_t length,
                         struct buffer *out);

/* Was it sealed under another key? One of the first version does not say. */
int journal_seal_is_foreign(const struct journal *journal, const unsigned char *sealed, size_t length);

/* How long what was sealed is; none when it is nothing that was sealed. */
size_t journal_seal_plain_size(const unsigned char *sealed, size_t length, size_t none);

/* Write journal_seal_plain_size bytes to plain; 0 (and no message) when the
 * name, the key or the bytes are not those it was sealed with. */
int journal_seal_decrypt(const struct journal *journal, const struct seal_name *name, const unsigned char *sealed,
                         size_t length, char *plain);

/* HMAC-SHA-256 under the chain's key. */
void journal_seal_mac(const struct journal *journal, const void *data, size_t length, unsigned char out[HASH_SIZE]);

/* journal_audit.c */

/* Seconds since 1970 on the clock in use. */
double journal_audit_now(const struct journal *journal);

/* The end of an empty chain. */
void journal_audit_start(const struct journal *journal, struct head *head);

/* Read the head and hold it against its MAC and the chain's last record. NULL,
 * or what is wrong with it (static text). */
const char *journal_audit_read_head(struct journal *journal, struct head *head);

/* Where the chain begins: at its first record, or after those that lie in segments. 0 when the key did not seal it. */
int journal_audit_read_start(struct journal *journal, struct head *start);
int journal_audit_write_start(struct journal *journal, const struct head *start);

/* Walk the chain up to a record, and copy each that is sound to another chain (NULL: none); at says how far it got. */
int journal_audit_walk(struct journal *journal, int64_t last, struct journal *to, struct head *at);

/* Read the head and hold it against its MAC alone; 0 when it is not ours. */
int journal_audit_stored_head(struct journal *journal, struct head *head);

/* The hash of the record with that number; 0 when it is not there. */
int journal_audit_hash(struct journal *journal, int64_t seq, unsigned char hash[HASH_SIZE]);

/* Begin to write, unless a transaction is open. Refuses when the chain's end
 * is not as this key left it. Ended by journal_commit. */
int journal_audit_begin(struct journal *journal);

/* Append to the chain; a transaction must be open. */
int journal_audit_append(struct journal *journal, double time, const char *kind, const char *body, size_t length);

/* Append what SQL says about the row that was just written. */
int journal_audit_append_row(struct journal *journal, sqlite3_stmt *as_json, double time, const char *kind);

/* What a chain's record about a record or a sealed value is called. */
#define AUDIT_PUT "journal.put"
#define AUDIT_SEAL "journal.seal"
#define AUDIT_FORGET "journal.forget"
#define AUDIT_COMPACT "journal.compact"
#define AUDIT_REKEY "journal.rekey"
#define AUDIT_RESTORE "journal.restore"

/* Walk everything. 1 and the count of audit records; or 0, the message, and
 * the seq it is about (0: none). */
int journal_audit_verify(struct journal *journal, int64_t *count, int64_t *seq);

/* journal_compact.c */

/* What is taken out, and what came of it. */
struct compact {
  double before, time;
  int64_t last;               /* the last record that goes; 0: none does */
  struct head start;          /* where the chain began until then */
  char segment[NAME_MAX + 1]; /* the name of the new segment */
  int64_t carried;            /* records that were said anew, since they are about what is kept */
};

/* Find which records are older than that, and write them to a segment in the folder. NULL, or the kind of failure. */
const char *journal_compact_write(struct journal *journal, struct compact *compact, struct buffer *scratch);

/* Begin to take them out of the chain: what is kept is said anew. Between the two, rows may be dropped. */
int journal_compact_begin(struct journal *journal, struct compact *compact);
int journal_compact_drop(struct journal *journal, const struct compact *compact, const char *kind, const char *id);
int journal_compact_end(struct journal *journal, struct compact *compact);

/* journal_rekey.c */

/* Seal the journal in that folder, which opens with the keys of old, under those of next. Done in one transaction;
 * done already is fine, and count is 0. NULL, or the kind of failure, with the message in old. */
const char *journal_rekey_live(struct journal *old, struct journal *next, const char *directory, double time,
                               struct buffer *scratch, int64_t *count);

/* The same for a segment, of which nothing but its seals is changed. */
const char *journal_rekey_segment(struct journal *old, struct journal *next, const char *path, struct buffer *scratch);

/* journal_restore.c */

/* What is to be restored, and what came of it. */
struct restore {
  const char *file;
  double time;
  int replaces;                                        /* 1: it keeps its id */
  int set_aside;                                       /* 1: also when there is a journal */
  char ids[sizeof((struct journal){0}.installations)]; /* of the journal that was there */
  char living[800];                                    /* what was there, in words; empty: nothing */
  char aside[PATH_MAX + 64];                           /* where it lies now; empty: nothing did */
};

/* Put the backup in the journal's place; journal has its keys and binding, and gets its ids and head. NULL, or
 * the kind of failure: "busy", "living", "restoring", or as when a journal is opened. */
const char *journal_restore_file(struct journal *journal, struct restore *restore, const char *directory,
                                 struct buffer *scratch);

/* journal_copy.c */

/* The path argument at index with its folder as the file system spells it: SQLite follows no link on its way to a
 * file. [-0, +0|1, e] */
const char *journal_copy_resolve(lua_State *L, int index);

/* Open a file as a journal with the keys and binding of another one. NULL, or the kind of failure; to be closed
 * either way. */
const char *journal_copy_open(struct journal *copy, const struct journal *like, const char *file, enum use use);
void journal_copy_close(struct journal *copy);

/* Make the private file for a copy, in place of one that a stopped run left. 0 or an errno value. */
int journal_copy_make_part(const char *part);

/* Make the part a database in a single file, and durable. 0 or an errno value. */
int journal_copy_settle(const char *part);

/* Copy a database to the new file part, in place of one that was left; durable. NULL, or the kind of failure. */
const char *journal_copy_database(struct journal *journal, sqlite3 *from, const char *part);

/* Copy what is committed to the new file path, verified and durable; journal->copied is where its chain ends. NULL,
 * or the kind of failure: "exists", "damaged", "io". */
const char *journal_copy_backup(struct journal *journal, const char *path);

/* journal_mark.c */

/* Read the mark: to be done before the database is opened. */
void journal_mark_read(const struct journal *journal, struct mark *mark);

/* Hold the journal against the mark. NULL, or "older" with the message. */
const char *journal_mark_check(struct journal *journal, struct mark *mark);

/* Write the mark for a journal that is put in its place; 0 or an errno value. */
int journal_mark_place(const struct journal *journal);

/* Write the mark anew, unless it is up to date or was altered. */
void journal_mark_renew(struct journal *journal);

/* journal_owner.c */

/* Make or check the record that tells whether the key opens this journal and
 * whom it belongs to. NULL, or "key", "binding", "damaged", "io". */
const char *journal_owner_check(struct journal *journal, struct buffer *scratch);

/* Write the record anew, under the keys the journal has now. */
int journal_owner_write(struct journal *journal, struct buffer *scratch);

/* Is this one of the ids the journal has or had? */
int journal_owner_has(const struct journal *journal, const char *id);

/* Check the record; the journal is not made. NULL, or "key", "binding", "damaged". */
const char *journal_owner_read(struct journal *journal);

/* Put on record that the journal was restored from a backup at that time: under an
 * installation id of its own, or, with replaces, under the one it has. Those of others
 * (NULL: none) are former ones from then on. Part of the transaction that is open or begins here. */
int journal_owner_restored(struct journal *journal, double time, int replaces, const char *others,
                           struct buffer *scratch);

/* journal_place.c */

/* Find or make the folder and its file, and share it. NULL, or the kind of failure: "io"; "gone" when it
 * was taken away; "restoring" when a restore was stopped in the middle. */
const char *journal_place_open(struct journal *journal, const char *directory, char file[PATH_MAX]);

/* Was a restore stopped between its steps? Then no journal is opened: "restoring", else NULL. */
const char *journal_place_refuse_half(struct journal *journal);

/* Find or make the folder, and have it alone. NULL, or "busy", "io". */
const char *journal_place_open_alone(struct journal *journal, const char *directory);

/* Share the folder no longer. Idempotent. */
void journal_place_close(struct journal *journal);

/* Copy out the name of something in the folder that is made only after a journal was; 0 when nothing tells of one. */
int journal_place_evidence(const struct journal *journal, char found[NAME_MAX + 1]);

/* Say that the journal was taken away; returns "gone". */
const char *journal_place_gone(struct journal *journal, const char *how, const char *evidence);

/* Say why the journal in that folder cannot be opened; returns the kind. */
const char *journal_place_cannot_open(struct journal *journal, const char *directory, const char *kind,
                                      const char *why);

/* journal_lease.c */

void journal_lease_type(lua_State *L);

/* Push a lease on the name and return 1; or nil, a message and a kind, and 3: "busy" when
 * another process or lease holds it, "journal" when the lock file cannot be opened or
 * locked. [-0, +1|3, m] */
int journal_lease_take(lua_State *L, const char *directory, const char *name, size_t length);

#endif
