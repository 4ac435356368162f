/* What the files of host.journal share: journal.c (the Lua face),
 * journal_owner.c (whose it is), journal_audit.c (the chain, and so every
 * transaction), journal_store.c (the database), journal_seal.c (keys and
 * sealing), journal_lease.c (kernel locks). Calls go down that list.
 *
 * Functions that return int return 1, or 0 with the reason in
 * journal->message.
 */
#ifndef JOURNAL_PARTS_H
#define JOURNAL_PARTS_H

#include "journal.h"

#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdint.h>

enum { JOURNAL_BINDING = 512 }; /* bytes of a binding, at most */
enum { HASH_SIZE = 32, KEY_SIZE = 32, SEAL_OVERHEAD = 1 + 12 + 16, INSTALLATION_SIZE = 8 };

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
  unsigned char *keys; /* on the secure heap: the sealing key, then the chain's */
  char *directory;     /* as the file system spells it */
  char *binding;
  char installation[INSTALLATION_SIZE + 1];
  struct clock *clock; /* an emulator's, borrowed from user value 1; NULL for real time */
  struct head head;    /* while writing */
  EVP_MD_CTX *hashing; /* SHA-256, fetched once; NULL before the first record */
  int writing;         /* 1: a transaction is open */
  int refusing;        /* 1: a write failed; nothing goes any more */
  char message[1024];
};

/* journal_store.c */

/* Open or make the database. NULL, or the kind of failure. */
const char *store_open(struct journal *journal, const char *directory);

void store_close(struct journal *journal);

/* A prepared statement, reset. */
sqlite3_stmt *store_statement(struct journal *journal, enum statement which);

/* Step a statement that gives no rows, and reset it. A failure ends the
 * transaction and makes the journal refuse everything. */
int store_run(struct journal *journal, sqlite3_stmt *statement);

/* Take the lock to write, whatever the chain says: for a journal that has none
 * yet. store_abandon gives it back. */
int store_lock(struct journal *journal);
void store_abandon(struct journal *journal);

/* Make the open transaction durable. */
int store_commit(struct journal *journal);

/* Give up the transaction and refuse everything from now on. Returns 0. */
int store_refuse(struct journal *journal, const char *why);

/* Copy a meta value into out, which it must fill exactly; 0 when it is not so. */
int store_read_meta(struct journal *journal, const char *name, void *out, size_t size);
int store_write_meta(struct journal *journal, const char *name, const void *value, size_t size);

/* journal_seal.c */

/* Derive both keys from the person's. */
int seal_derive(struct journal *journal, const char *key, size_t length);

/* Append nonce, ciphertext and tag. */
int seal_encrypt(struct journal *journal, const struct seal_name *name, const char *plain, size_t length,
                 struct buffer *out);

/* Write length - SEAL_OVERHEAD bytes to plain; 0 (and no message) when the
 * name, the key or the bytes are not those it was sealed with. */
int seal_decrypt(const struct journal *journal, const struct seal_name *name, const unsigned char *sealed,
                 size_t length, char *plain);

/* HMAC-SHA-256 under the chain's key. */
void seal_mac(const struct journal *journal, const void *data, size_t length, unsigned char out[HASH_SIZE]);

/* journal_audit.c */

/* Seconds since 1970 on the clock in use. */
double audit_now(const struct journal *journal);

/* The end of an empty chain. */
void audit_start(const struct journal *journal, struct head *head);

/* Read the head and hold it against its MAC and the chain's last record. NULL,
 * or what is wrong with it (static text). */
const char *audit_read_head(struct journal *journal, struct head *head);

/* Begin to write, unless a transaction is open. Refuses when the chain's end
 * is not as this key left it. Ended by journal_commit. */
int audit_begin(struct journal *journal);

/* Append to the chain; a transaction must be open. */
int audit_append(struct journal *journal, double time, const char *kind, const char *body, size_t length);

/* What a chain's record about a record or a sealed value is called. */
#define AUDIT_PUT "journal.put"
#define AUDIT_SEAL "journal.seal"
#define AUDIT_FORGET "journal.forget"

/* Walk everything. 1 and the count of audit records; or 0, the message, and
 * the seq it is about (0: none). */
int audit_verify(struct journal *journal, int64_t *count, int64_t *seq);

/* journal_owner.c */

/* Make or check the record that tells whether the key opens this journal and
 * whom it belongs to. NULL, or "key", "binding", "damaged", "io". */
const char *owner_check(struct journal *journal, struct buffer *scratch);

/* journal_lease.c */

void lease_type(lua_State *L);

/* Push a lease on the name and return 1; or nil, a message and a kind, and 3: "busy" when
 * another process or lease holds it, "journal" when the lock file cannot be opened or
 * locked. [-0, +1|3, m] */
int lease_take(lua_State *L, const char *directory, const char *name, size_t length);

#endif
