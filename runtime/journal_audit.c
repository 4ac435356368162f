/* The audit chain: records whose content and order nobody can change unnoticed.
 *
 * hash(n) = SHA-256(hash(n-1), seq, time, kind, body), with lengths before texts. The head of the chain is stored
 * with an HMAC under the journal's key, and renewed at every commit: without the key no record can be edited,
 * removed, inserted, moved or cut off. The head is checked before anything is appended, so that a later commit cannot
 * hide a change. An older copy of the whole file is noticed by the mark (journal_mark.c), and by the head in the
 * system's log.
 *
 * Records and sealed values are in tables of their own; each row has the seq of the last audit record about it.
 */
#include "journal_internal.h"
#include "sys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

/* The stored head: seq, hash, HMAC. */
enum { STORED_HEAD_SIZE = 8 + HASH_SIZE + HASH_SIZE };

double journal_audit_now(const struct journal *journal) {
  return sys_time() + (journal->clock ? sys_clock_offset(journal->clock) : 0);
}

static void put_audit_number(unsigned char out[8], uint64_t value) {
  for (int i = 7; i >= 0; i--, value >>= 8) out[i] = (unsigned char)value;
}

static uint64_t get_audit_number(const unsigned char in[8]) {
  uint64_t value = 0;
  for (int i = 0; i < 8; i++) value = value << 8 | in[i];
  return value;
}

/* One record of the audit chain. */
struct audit_record {
  int64_t seq;
  double time;
  const char *kind, *body;
  size_t kind_length, body_length;
};

static int hash_audit_number(EVP_MD_CTX *hashing, uint64_t value) {
  unsigned char bytes[8];
  put_audit_number(bytes, value);
  return EVP_DigestUpdate(hashing, bytes, sizeof bytes);
}

static int hash_audit_text(EVP_MD_CTX *hashing, const char *text, size_t length) {
  return hash_audit_number(hashing, length) && EVP_DigestUpdate(hashing, text, length);
}

/* Start a SHA-256; NULL when memory is out. OpenSSL looks an algorithm up by its name, which takes longer than
 * hashing a record, so the context is kept. */
static EVP_MD_CTX *start_audit_hash(struct journal *journal) {
  const EVP_MD *algorithm = journal->hashing ? NULL : EVP_sha256(); /* NULL: keep the context's algorithm */
  if (!journal->hashing) journal->hashing = EVP_MD_CTX_new();
  return journal->hashing && EVP_DigestInit_ex(journal->hashing, algorithm, NULL) ? journal->hashing : NULL;
}

/* Compute the hash of a record that follows the one with the hash before; 0 when memory is out. */
static int hash_audit_record(struct journal *journal, const struct audit_record *record, const unsigned char *before,
                             unsigned char out[HASH_SIZE]) {
  EVP_MD_CTX *hashing = start_audit_hash(journal);
  uint64_t time;
  memcpy(&time, &record->time, sizeof time);
  return hashing && EVP_DigestUpdate(hashing, before, HASH_SIZE) && hash_audit_number(hashing, (uint64_t)record->seq) &&
         hash_audit_number(hashing, time) && hash_audit_text(hashing, record->kind, record->kind_length) &&
         hash_audit_text(hashing, record->body, record->body_length) && EVP_DigestFinal_ex(hashing, out, NULL);
}

/* Compute the HMAC of the head; it covers binding and installation too. */
static int compute_audit_head_hmac(const struct journal *journal, const struct chain_head *head,
                                   unsigned char out[HASH_SIZE]) {
  unsigned char bytes[JOURNAL_BINDING + INSTALLATION_SIZE + 1 + 8 + HASH_SIZE] = {0};
  memcpy(bytes, journal->binding, strlen(journal->binding));
  memcpy(bytes + JOURNAL_BINDING, journal->installations, INSTALLATION_SIZE);
  bytes[JOURNAL_BINDING + INSTALLATION_SIZE] = journal->is_segment != 0;
  put_audit_number(bytes + JOURNAL_BINDING + INSTALLATION_SIZE + 1, (uint64_t)head->seq);
  memcpy(bytes + sizeof bytes - HASH_SIZE, head->hash, HASH_SIZE);
  return journal_seal_mac(journal, bytes, sizeof bytes, out);
}

/* Compute the HMAC of the start of a shortened chain. It covers the installation that the journal was made with,
 * which never changes. */
static int compute_audit_start_hmac(const struct journal *journal, const struct chain_head *head,
                                    unsigned char out[HASH_SIZE]) {
  static const char label[] = "moonlatch journal 1: start of a chain";
  unsigned char bytes[sizeof label + JOURNAL_BINDING + INSTALLATION_SIZE + 8 + HASH_SIZE] = {0};
  unsigned char *at = bytes + sizeof label;
  memcpy(bytes, label, sizeof label);
  memcpy(at, journal->binding, strlen(journal->binding));
  at += JOURNAL_BINDING;
  memcpy(at, journal->installations + strlen(journal->installations) - INSTALLATION_SIZE, INSTALLATION_SIZE);
  put_audit_number(at + INSTALLATION_SIZE, (uint64_t)head->seq);
  memcpy(at + INSTALLATION_SIZE + 8, head->hash, HASH_SIZE);
  return journal_seal_mac(journal, bytes, sizeof bytes, out);
}

const char *journal_audit_fault(const struct journal *journal, const char *text) {
  return journal->unchecked ? "its audit chain could not be checked: memory is out, or the file cannot be read. "
                              "Run the same command again"
                            : text;
}

/* Does the stored HMAC fit the one that was computed? When none was computed, that is unknown. */
static int compare_audit_hmac(struct journal *journal, int is_computed, const unsigned char *expected,
                              const unsigned char *stored) {
  if (!is_computed) journal->unchecked = 1;
  return is_computed && CRYPTO_memcmp(expected, stored, HASH_SIZE) == 0;
}

int journal_audit_read_start(struct journal *journal, struct chain_head *start) {
  unsigned char stored[STORED_HEAD_SIZE], expected[HASH_SIZE];
  size_t length = journal_store_read_meta(journal, "start", stored, sizeof stored);
  if (!journal_audit_empty_head(journal, start)) journal->unchecked = 1;
  if (journal->unchecked) return 0;
  if (length == 0) return 1;
  start->seq = (int64_t)get_audit_number(stored);
  memcpy(start->hash, stored + 8, HASH_SIZE);
  int is_computed = compute_audit_start_hmac(journal, start, expected);
  return length == sizeof stored && compare_audit_hmac(journal, is_computed, expected, stored + 8 + HASH_SIZE);
}

int journal_audit_write_start(struct journal *journal, const struct chain_head *start) {
  unsigned char stored[STORED_HEAD_SIZE];
  if (start->seq == 0) return 1; /* an empty start needs no record: every chain begins there */
  put_audit_number(stored, (uint64_t)start->seq);
  memcpy(stored + 8, start->hash, HASH_SIZE);
  if (!compute_audit_start_hmac(journal, start, stored + 8 + HASH_SIZE))
    return journal_store_refuse(journal, "not enough memory");
  return journal_store_write_meta(journal, "start", stored, sizeof stored);
}

int journal_audit_empty_head(const struct journal *journal, struct chain_head *head) {
  head->seq = 0;
  const char *first = journal->installations + strlen(journal->installations) - INSTALLATION_SIZE;
  return SHA256((const unsigned char *)first, INSTALLATION_SIZE, head->hash) != NULL;
}

int journal_audit_read_stored_head(struct journal *journal, struct chain_head *head) {
  unsigned char stored[STORED_HEAD_SIZE], expected[HASH_SIZE];
  if (journal_store_read_meta(journal, "head", stored, sizeof stored) != sizeof stored) return 0;
  head->seq = (int64_t)get_audit_number(stored);
  memcpy(head->hash, stored + 8, HASH_SIZE);
  int is_computed = compute_audit_head_hmac(journal, head, expected);
  return compare_audit_hmac(journal, is_computed, expected, stored + 8 + HASH_SIZE);
}

static int write_audit_head(struct journal *journal) {
  unsigned char stored[STORED_HEAD_SIZE];
  put_audit_number(stored, (uint64_t)journal->head.seq);
  memcpy(stored + 8, journal->head.hash, HASH_SIZE);
  if (!compute_audit_head_hmac(journal, &journal->head, stored + 8 + HASH_SIZE))
    return journal_store_refuse(journal, "not enough memory");
  return journal_store_write_meta(journal, "head", stored, sizeof stored);
}

/* Read the last record of the chain; an empty chain has its start. */
static int read_last_audit_record(struct journal *journal, struct chain_head *tail) {
  sqlite3_stmt *read = journal_store_statement(journal, TAIL);
  int code = sqlite3_step(read);
  int has_record = code == SQLITE_ROW && sqlite3_column_bytes(read, 1) == HASH_SIZE;
  if (has_record) {
    tail->seq = sqlite3_column_int64(read, 0);
    memcpy(tail->hash, sqlite3_column_blob(read, 1), HASH_SIZE);
  }
  sqlite3_reset(read);
  return has_record || (code == SQLITE_DONE && journal_audit_read_start(journal, tail));
}

const char *journal_audit_read_head(struct journal *journal, struct chain_head *head) {
  struct chain_head tail;
  if (!journal_audit_read_stored_head(journal, head))
    return journal_audit_fault(journal, "the end of its audit chain is not sealed by this key: it was altered outside "
                                        "moonlatch");
  if (read_last_audit_record(journal, &tail) && tail.seq == head->seq && memcmp(tail.hash, head->hash, HASH_SIZE) == 0)
    return NULL;
  return journal_audit_fault(journal, "the end of its audit chain was altered outside moonlatch");
}

int journal_audit_begin(struct journal *journal) {
  if (journal->refusing) return 0;
  if (journal->writing) return 1;
  if (!journal_store_lock(journal)) return 0;
  const char *why = journal_audit_read_head(journal, &journal->head);
  return why ? journal_store_refuse(journal, why) : 1;
}

const char *journal_audit_commit(struct journal *journal) {
  if (journal->refusing) return journal->message;
  if (!journal->writing) return NULL;
  if (!write_audit_head(journal) || !journal_store_commit(journal)) return journal->message;
  journal->unmarked = 1;
  return NULL;
}

int journal_audit_read_hash(struct journal *journal, int64_t seq, unsigned char hash[HASH_SIZE]) {
  sqlite3_stmt *read = journal_store_statement(journal, HASH_AT);
  sqlite3_bind_int64(read, 1, seq);
  int found = sqlite3_step(read) == SQLITE_ROW && sqlite3_column_bytes(read, 0) == HASH_SIZE;
  if (found) memcpy(hash, sqlite3_column_blob(read, 0), HASH_SIZE);
  sqlite3_reset(read);
  return found;
}

static int insert_audit_record(struct journal *journal, const struct audit_record *record, const unsigned char *hash) {
  sqlite3_stmt *append = journal_store_statement(journal, APPEND);
  sqlite3_bind_int64(append, 1, record->seq);
  sqlite3_bind_double(append, 2, record->time);
  sqlite3_bind_text(append, 3, record->kind, (int)record->kind_length, SQLITE_STATIC);
  sqlite3_bind_text(append, 4, record->body, (int)record->body_length, SQLITE_STATIC);
  sqlite3_bind_blob(append, 5, hash, HASH_SIZE, SQLITE_STATIC);
  return journal_store_run(journal, append);
}

int journal_audit_append(struct journal *journal, double time, const char *kind, const char *body, size_t length) {
  struct audit_record record = {journal->head.seq + 1, time, kind, body, strlen(kind), length};
  unsigned char hash[HASH_SIZE];
  if (!hash_audit_record(journal, &record, journal->head.hash, hash))
    return journal_store_refuse(journal, "not enough memory");
  if (!insert_audit_record(journal, &record, hash)) return 0;
  journal->head.seq = record.seq;
  memcpy(journal->head.hash, hash, HASH_SIZE);
  return 1;
}

int journal_audit_append_row(struct journal *journal, sqlite3_stmt *as_json, double time, const char *kind) {
  if (sqlite3_step(as_json) != SQLITE_ROW) return journal_store_refuse(journal, "the row just written cannot be read");
  const char *text = (const char *)sqlite3_column_text(as_json, 0);
  int done = text ? journal_audit_append(journal, time, kind, text, (size_t)sqlite3_column_bytes(as_json, 0))
                  : journal_store_refuse(journal, "not enough memory");
  sqlite3_reset(as_json);
  return done;
}

int journal_audit_write_sealed(struct journal *journal, enum statement which, double time, const char *id,
                               const struct buffer *sealed) {
  sqlite3_stmt *write = journal_store_statement(journal, which);
  sqlite3_bind_text(write, 1, id, -1, SQLITE_STATIC);
  sqlite3_bind_blob(write, 2, sealed->data, (int)sealed->length, SQLITE_STATIC);
  sqlite3_bind_int64(write, 3, journal->head.seq + 1);
  if (!journal_store_run(journal, write)) return 0;
  sqlite3_stmt *as_json = journal_store_statement(journal, SEALED_AS_JSON);
  sqlite3_bind_text(as_json, 1, id, -1, SQLITE_STATIC);
  return journal_audit_append_row(journal, as_json, time, AUDIT_SEAL);
}

const char *journal_audit_record(struct journal *journal, const char *kind, const char *text, size_t length) {
  if (!journal_audit_begin(journal)) return journal->message;
  return journal_audit_append(journal, journal_audit_now(journal), kind, text, length) ? NULL : journal->message;
}

static void read_audit_row(sqlite3_stmt *walk, struct audit_record *record) {
  record->seq = sqlite3_column_int64(walk, 0);
  record->time = sqlite3_column_double(walk, 1);
  record->kind = (const char *)sqlite3_column_text(walk, 2);
  record->kind_length = (size_t)sqlite3_column_bytes(walk, 2);
  record->body = (const char *)sqlite3_column_text(walk, 3);
  record->body_length = (size_t)sqlite3_column_bytes(walk, 3);
}

/* Set the message, with seq as its argument. Returns 0. */
static int set_audit_message(struct journal *journal, const char *text, int64_t seq) {
  snprintf(journal->message, sizeof journal->message, text, (long long)seq);
  return 0;
}

/* Check the next record of the chain against the head at, and advance at to this record. */
static int check_next_audit_record(struct journal *journal, sqlite3_stmt *walk, struct chain_head *at) {
  struct audit_record record;
  unsigned char hash[HASH_SIZE];
  read_audit_row(walk, &record);
  int64_t expected = at->seq + 1;
  at->seq = expected;
  if (record.seq != expected) return set_audit_message(journal, "audit record %lld is missing", expected);
  if (!record.kind || !record.body || !hash_audit_record(journal, &record, at->hash, hash))
    return set_audit_message(journal, "audit record %lld cannot be read", expected);
  if (sqlite3_column_bytes(walk, 4) != HASH_SIZE || memcmp(sqlite3_column_blob(walk, 4), hash, HASH_SIZE) != 0)
    return set_audit_message(journal, "audit record %lld or a record before it was altered", expected);
  memcpy(at->hash, hash, HASH_SIZE);
  return 1;
}

/* Append the record that was just checked to another chain. */
static int copy_audit_record(struct journal *to, sqlite3_stmt *walk, const struct chain_head *at) {
  struct audit_record record;
  read_audit_row(walk, &record);
  to->head = *at;
  return insert_audit_record(to, &record, at->hash);
}

int journal_audit_walk(struct journal *journal, int64_t last, struct journal *to, struct chain_head *at) {
  sqlite3_stmt *walk = journal_store_statement(journal, WALK);
  int sound = journal_audit_read_start(journal, at) ||
              set_audit_message(journal,
                                journal_audit_fault(journal, "the start of the audit chain is not sealed by this key; "
                                                             "what was before it may be gone (%lld)"),
                                at->seq);
  int code = SQLITE_DONE;
  sqlite3_bind_int64(walk, 1, last);
  while (sound && (code = sqlite3_step(walk)) == SQLITE_ROW) {
    sound = check_next_audit_record(journal, walk, at);
    if (sound && to && !copy_audit_record(to, walk, at)) sound = journal_store_refuse(journal, to->message);
  }
  sqlite3_reset(walk);
  if (sound && code != SQLITE_DONE)
    return set_audit_message(journal, "the audit chain cannot be read after record %lld", at->seq);
  return sound;
}

/* Compare the last record with the head that was sealed. */
static int check_sealed_audit_head(struct journal *journal, struct chain_head *at) {
  struct chain_head head = journal->head;
  int64_t last = at->seq;
  if (!journal->writing && !journal_audit_read_stored_head(journal, &head))
    return set_audit_message(journal,
                             journal_audit_fault(journal, "the head of the audit chain is not sealed by this key; the "
                                                          "chain has %lld records"),
                             last);
  if (head.seq == last && memcmp(head.hash, at->hash, HASH_SIZE) == 0) return 1;
  if (head.seq > last) return set_audit_message(journal, "the audit chain was cut off after record %lld", last);
  if (head.seq == last) return set_audit_message(journal, "audit record %lld and others were replaced", last);
  at->seq = head.seq + 1;
  return set_audit_message(journal, "audit record %lld was added without the journal's key", at->seq);
}

/* Run a query whose rows are faults: set the message about the first row, and its seq. 1 when there is none. */
static int check_audit_query_empty(struct journal *journal, enum statement check, const char *format, int64_t *seq) {
  sqlite3_stmt *find = journal_store_statement(journal, check);
  int code = sqlite3_step(find);
  if (code == SQLITE_ROW) {
    *seq = sqlite3_column_int64(find, 1);
    snprintf(journal->message, sizeof journal->message, format, (const char *)sqlite3_column_text(find, 0));
  } else if (code != SQLITE_DONE) {
    snprintf(journal->message, sizeof journal->message, "cannot be checked: %s", sqlite3_errmsg(journal->database));
  }
  sqlite3_reset(find);
  return code == SQLITE_DONE;
}

/* Set the message when the mark was altered. */
static int check_audit_mark(struct journal *journal, int64_t seq) {
  return journal->mark_altered ? set_audit_message(journal,
                                                   "the file " MARK_NAME " beside the journal was altered "
                                                   "(the chain itself has %lld records)",
                                                   seq)
                               : 1;
}

/* Check the chain, then the rows that it is about. */
static int verify_audit_and_rows(struct journal *journal, int64_t *count, int64_t *seq) {
  struct chain_head at;
  struct chain_head start;
  int sound = journal_audit_walk(journal, INT64_MAX, NULL, &at) && check_sealed_audit_head(journal, &at) &&
              journal_audit_read_start(journal, &start);
  *seq = at.seq;
  if (sound && !journal_store_check(journal))
    sound = set_audit_message(journal, "its pages are damaged, after %lld sound records", at.seq);
  *count = sound ? at.seq - start.seq : 0;
  if (sound && journal->is_segment) return 1; /* a segment has no rows */
  return sound && check_audit_mark(journal, at.seq) &&
         check_audit_query_empty(journal, ALTERED_RECORD, "the record %s differs from the audit chain", seq) &&
         check_audit_query_empty(journal, LOST_RECORD, "the record %s is missing, or is older than its audit record",
                                 seq) &&
         check_audit_query_empty(journal, ALTERED_VALUE, "the sealed value %s differs from the audit chain", seq) &&
         check_audit_query_empty(journal, LOST_VALUE,
                                 "the sealed value %s is missing, or is older than its audit record", seq) &&
         check_audit_query_empty(journal, FOREIGN_VALUE, "the sealed value %s was deleted, and is there again", seq) &&
         journal_kept_verify(journal);
}

int journal_audit_verify(struct journal *journal, int64_t *count, int64_t *seq) {
  int own_transaction =
      !journal->writing; /* a transaction of its own, so that all queries read the same state while others write */
  if (own_transaction) sqlite3_exec(journal->database, "BEGIN", NULL, NULL, NULL);
  int sound = verify_audit_and_rows(journal, count, seq);
  if (own_transaction) sqlite3_exec(journal->database, "COMMIT", NULL, NULL, NULL);
  return sound;
}
