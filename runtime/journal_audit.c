/* The audit chain: records in an order that nobody can change unnoticed.
 *
 * hash(n) = SHA-256(hash(n-1), seq, time, kind, body), with lengths before texts. The end of the chain is
 * stored beside it with an HMAC under the journal's key, and renewed at every commit. So without the key
 * nothing can be edited, removed, inserted, moved or cut off. The end is checked before anything is appended,
 * so that a later commit cannot hide a change. An older copy of the whole file is not noticed here, but by the
 * mark and by the end that the system's log has.
 *
 * Records and sealed values are in tables of their own; each has the seq of the last record about it.
 */
#include "journal_internal.h"
#include "sys.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

/* The head as it is stored: seq, hash, HMAC. */
enum { STORED_HEAD = 8 + HASH_SIZE + HASH_SIZE };

double journal_audit_now(const struct journal *journal) {
  return sys_time() + (journal->clock ? sys_clock_offset(journal->clock) : 0);
}

static void put_number(unsigned char out[8], uint64_t value) {
  for (int i = 7; i >= 0; i--, value >>= 8) out[i] = (unsigned char)value;
}

static uint64_t get_number(const unsigned char in[8]) {
  uint64_t value = 0;
  for (int i = 0; i < 8; i++) value = value << 8 | in[i];
  return value;
}

/* One record of the chain. */
struct audit_record {
  int64_t seq;
  double time;
  const char *kind, *body;
  size_t kind_length, body_length;
};

static int add_number(EVP_MD_CTX *hashing, uint64_t value) {
  unsigned char bytes[8];
  put_number(bytes, value);
  return EVP_DigestUpdate(hashing, bytes, sizeof bytes);
}

static int add_text(EVP_MD_CTX *hashing, const char *text, size_t length) {
  return add_number(hashing, length) && EVP_DigestUpdate(hashing, text, length);
}

/* A hash begun; NULL when memory is out. OpenSSL looks an algorithm up by its
 * name, which takes longer than hashing a record: so it is done once. */
static EVP_MD_CTX *begin_hash(struct journal *journal) {
  const EVP_MD *algorithm = journal->hashing ? NULL : EVP_sha256(); /* NULL: the one it has */
  if (!journal->hashing) journal->hashing = EVP_MD_CTX_new();
  return journal->hashing && EVP_DigestInit_ex(journal->hashing, algorithm, NULL) ? journal->hashing : NULL;
}

/* The hash of an entry that follows that one; 0 when memory is out. */
static int hash_entry(struct journal *journal, const struct audit_record *entry, const unsigned char *before,
                      unsigned char out[HASH_SIZE]) {
  EVP_MD_CTX *hashing = begin_hash(journal);
  uint64_t time;
  memcpy(&time, &entry->time, sizeof time);
  return hashing && EVP_DigestUpdate(hashing, before, HASH_SIZE) && add_number(hashing, (uint64_t)entry->seq) &&
         add_number(hashing, time) && add_text(hashing, entry->kind, entry->kind_length) &&
         add_text(hashing, entry->body, entry->body_length) && EVP_DigestFinal_ex(hashing, out, NULL);
}

/* What the head's HMAC covers: whose journal it is, and the head. */
static void mac_head(const struct journal *journal, const struct head *head, unsigned char out[HASH_SIZE]) {
  unsigned char bytes[JOURNAL_BINDING + INSTALLATION_SIZE + 1 + 8 + HASH_SIZE] = {0};
  memcpy(bytes, journal->binding, strlen(journal->binding));
  memcpy(bytes + JOURNAL_BINDING, journal->installations, INSTALLATION_SIZE);
  bytes[JOURNAL_BINDING + INSTALLATION_SIZE] = journal->is_segment != 0;
  put_number(bytes + JOURNAL_BINDING + INSTALLATION_SIZE + 1, (uint64_t)head->seq);
  memcpy(bytes + sizeof bytes - HASH_SIZE, head->hash, HASH_SIZE);
  journal_seal_mac(journal, bytes, sizeof bytes, out);
}

/* The HMAC of where a shortened chain begins. The installation it was made with stays the same. */
static void mac_start(const struct journal *journal, const struct head *head, unsigned char out[HASH_SIZE]) {
  static const char label[] = "moonlatch journal 1: start of a chain";
  unsigned char bytes[sizeof label + JOURNAL_BINDING + INSTALLATION_SIZE + 8 + HASH_SIZE] = {0};
  unsigned char *at = bytes + sizeof label;
  memcpy(bytes, label, sizeof label);
  memcpy(at, journal->binding, strlen(journal->binding));
  at += JOURNAL_BINDING;
  memcpy(at, journal->installations + strlen(journal->installations) - INSTALLATION_SIZE, INSTALLATION_SIZE);
  put_number(at + INSTALLATION_SIZE, (uint64_t)head->seq);
  memcpy(at + INSTALLATION_SIZE + 8, head->hash, HASH_SIZE);
  journal_seal_mac(journal, bytes, sizeof bytes, out);
}

int journal_audit_read_start(struct journal *journal, struct head *start) {
  unsigned char stored[STORED_HEAD], expected[HASH_SIZE];
  size_t length = journal_store_read_meta(journal, "start", stored, sizeof stored);
  journal_audit_start(journal, start);
  if (length == 0) return 1;
  start->seq = (int64_t)get_number(stored);
  memcpy(start->hash, stored + 8, HASH_SIZE);
  mac_start(journal, start, expected);
  return length == sizeof stored && CRYPTO_memcmp(expected, stored + 8 + HASH_SIZE, HASH_SIZE) == 0;
}

int journal_audit_write_start(struct journal *journal, const struct head *start) {
  unsigned char stored[STORED_HEAD];
  if (start->seq == 0) return 1; /* it begins where every chain does */
  put_number(stored, (uint64_t)start->seq);
  memcpy(stored + 8, start->hash, HASH_SIZE);
  mac_start(journal, start, stored + 8 + HASH_SIZE);
  return journal_store_write_meta(journal, "start", stored, sizeof stored);
}

void journal_audit_start(const struct journal *journal, struct head *head) {
  head->seq = 0;
  const char *first = journal->installations + strlen(journal->installations) - INSTALLATION_SIZE;
  SHA256((const unsigned char *)first, INSTALLATION_SIZE, head->hash);
}

int journal_audit_stored_head(struct journal *journal, struct head *head) {
  unsigned char stored[STORED_HEAD], expected[HASH_SIZE];
  if (journal_store_read_meta(journal, "head", stored, sizeof stored) != sizeof stored) return 0;
  head->seq = (int64_t)get_number(stored);
  memcpy(head->hash, stored + 8, HASH_SIZE);
  mac_head(journal, head, expected);
  return CRYPTO_memcmp(expected, stored + 8 + HASH_SIZE, HASH_SIZE) == 0;
}

static int write_head(struct journal *journal) {
  unsigned char stored[STORED_HEAD];
  put_number(stored, (uint64_t)journal->head.seq);
  memcpy(stored + 8, journal->head.hash, HASH_SIZE);
  mac_head(journal, &journal->head, stored + 8 + HASH_SIZE);
  return journal_store_write_meta(journal, "head", stored, sizeof stored);
}

/* The last record of the chain as it stands; an empty chain has its start. */
static int read_tail(struct journal *journal, struct head *tail) {
  sqlite3_stmt *read = journal_store_statement(journal, TAIL);
  int code = sqlite3_step(read);
  int whole = code == SQLITE_ROW && sqlite3_column_bytes(read, 1) == HASH_SIZE;
  if (whole) {
    tail->seq = sqlite3_column_int64(read, 0);
    memcpy(tail->hash, sqlite3_column_blob(read, 1), HASH_SIZE);
  }
  sqlite3_reset(read);
  return whole || (code == SQLITE_DONE && journal_audit_read_start(journal, tail));
}

const char *journal_audit_read_head(struct journal *journal, struct head *head) {
  struct head tail;
  if (!journal_audit_stored_head(journal, head))
    return "the end of its audit chain is not sealed by this key: it was altered outside moonlatch. Run: moonlatch "
           "journal verify";
  if (read_tail(journal, &tail) && tail.seq == head->seq && memcmp(tail.hash, head->hash, HASH_SIZE) == 0) return NULL;
  return "the end of its audit chain was altered outside moonlatch. Run: moonlatch journal verify";
}

int journal_audit_begin(struct journal *journal) {
  if (journal->refusing) return 0;
  if (journal->writing) return 1;
  if (!journal_store_lock(journal)) return 0;
  const char *why = journal_audit_read_head(journal, &journal->head);
  return why ? journal_store_refuse(journal, why) : 1;
}

const char *journal_commit(struct journal *journal) {
  if (journal->refusing) return journal->message;
  if (!journal->writing) return NULL;
  if (!write_head(journal) || !journal_store_commit(journal)) return journal->message;
  journal->unmarked = 1;
  return NULL;
}

int journal_audit_hash(struct journal *journal, int64_t seq, unsigned char hash[HASH_SIZE]) {
  sqlite3_stmt *read = journal_store_statement(journal, HASH_AT);
  sqlite3_bind_int64(read, 1, seq);
  int there = sqlite3_step(read) == SQLITE_ROW && sqlite3_column_bytes(read, 0) == HASH_SIZE;
  if (there) memcpy(hash, sqlite3_column_blob(read, 0), HASH_SIZE);
  sqlite3_reset(read);
  return there;
}

static int insert_entry(struct journal *journal, const struct audit_record *entry, const unsigned char *hash) {
  sqlite3_stmt *append = journal_store_statement(journal, APPEND);
  sqlite3_bind_int64(append, 1, entry->seq);
  sqlite3_bind_double(append, 2, entry->time);
  sqlite3_bind_text(append, 3, entry->kind, (int)entry->kind_length, SQLITE_STATIC);
  sqlite3_bind_text(append, 4, entry->body, (int)entry->body_length, SQLITE_STATIC);
  sqlite3_bind_blob(append, 5, hash, HASH_SIZE, SQLITE_STATIC);
  return journal_store_run(journal, append);
}

int journal_audit_append(struct journal *journal, double time, const char *kind, const char *body, size_t length) {
  struct audit_record entry = {journal->head.seq + 1, time, kind, body, strlen(kind), length};
  unsigned char hash[HASH_SIZE];
  if (!hash_entry(journal, &entry, journal->head.hash, hash)) return journal_store_refuse(journal, "not enough memory");
  if (!insert_entry(journal, &entry, hash)) return 0;
  journal->head.seq = entry.seq;
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

const char *journal_audit(struct journal *journal, const char *kind, const char *text, size_t length) {
  if (!journal_audit_begin(journal)) return journal->message;
  return journal_audit_append(journal, journal_audit_now(journal), kind, text, length) ? NULL : journal->message;
}

static void read_entry(sqlite3_stmt *walk, struct audit_record *entry) {
  entry->seq = sqlite3_column_int64(walk, 0);
  entry->time = sqlite3_column_double(walk, 1);
  entry->kind = (const char *)sqlite3_column_text(walk, 2);
  entry->kind_length = (size_t)sqlite3_column_bytes(walk, 2);
  entry->body = (const char *)sqlite3_column_text(walk, 3);
  entry->body_length = (size_t)sqlite3_column_bytes(walk, 3);
}

static int complain(struct journal *journal, const char *text, int64_t seq) {
  snprintf(journal->message, sizeof journal->message, text, (long long)seq);
  return 0;
}

/* Hold one record of the chain against the one before it, and become it. */
static int follow(struct journal *journal, sqlite3_stmt *walk, struct head *at) {
  struct audit_record entry;
  unsigned char hash[HASH_SIZE];
  read_entry(walk, &entry);
  int64_t expected = at->seq + 1;
  at->seq = expected;
  if (entry.seq != expected) return complain(journal, "audit record %lld is missing", expected);
  if (!entry.kind || !entry.body || !hash_entry(journal, &entry, at->hash, hash))
    return complain(journal, "audit record %lld cannot be read", expected);
  if (sqlite3_column_bytes(walk, 4) != HASH_SIZE || memcmp(sqlite3_column_blob(walk, 4), hash, HASH_SIZE) != 0)
    return complain(journal, "audit record %lld was altered, or what stood before it", expected);
  memcpy(at->hash, hash, HASH_SIZE);
  return 1;
}

/* Put the record that was just looked at into another chain. */
static int copy_entry(struct journal *to, sqlite3_stmt *walk, const struct head *at) {
  struct audit_record entry;
  read_entry(walk, &entry);
  to->head = *at;
  return insert_entry(to, &entry, at->hash);
}

int journal_audit_walk(struct journal *journal, int64_t last, struct journal *to, struct head *at) {
  sqlite3_stmt *walk = journal_store_statement(journal, WALK);
  int sound = journal_audit_read_start(journal, at) || complain(journal,
                                                                "the start of the audit chain is not sealed by this "
                                                                "key; what was before it may be gone (%lld)",
                                                                at->seq);
  int code = SQLITE_DONE;
  sqlite3_bind_int64(walk, 1, last);
  while (sound && (code = sqlite3_step(walk)) == SQLITE_ROW) {
    sound = follow(journal, walk, at);
    if (sound && to && !copy_entry(to, walk, at)) sound = journal_store_refuse(journal, to->message);
  }
  sqlite3_reset(walk);
  if (sound && code != SQLITE_DONE)
    return complain(journal, "the audit chain cannot be read after record %lld", at->seq);
  return sound;
}

/* Hold the chain's end against the head that was sealed. */
static int compare_head(struct journal *journal, struct head *at) {
  struct head head = journal->head;
  int64_t last = at->seq;
  if (!journal->writing && !journal_audit_stored_head(journal, &head))
    return complain(journal, "the head of the audit chain is not sealed by this key; the chain has %lld records", last);
  if (head.seq == last && memcmp(head.hash, at->hash, HASH_SIZE) == 0) return 1;
  if (head.seq > last) return complain(journal, "the audit chain was cut off after record %lld", last);
  if (head.seq == last) return complain(journal, "audit record %lld and others were written anew", last);
  at->seq = head.seq + 1;
  return complain(journal, "audit record %lld was added without the journal's key", at->seq);
}

/* Run a check whose rows are faults: what it is about, and its seq. */
static int find_fault(struct journal *journal, enum statement check, const char *format, int64_t *seq) {
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

static int compare_mark(struct journal *journal, int64_t seq) {
  return journal->mark_altered ? complain(journal,
                                          "the mark beside it, " MARK_NAME ", is not the one that was written "
                                          "(the chain itself has %lld records)",
                                          seq)
                               : 1;
}

/* The chain by itself, then what stands beside it. */
static int verify_all(struct journal *journal, int64_t *count, int64_t *seq) {
  struct head at;
  struct head start;
  int sound = journal_audit_walk(journal, INT64_MAX, NULL, &at) && compare_head(journal, &at) &&
              journal_audit_read_start(journal, &start);
  *seq = at.seq;
  if (sound && !journal_store_check(journal))
    sound = complain(journal, "its pages are damaged, after %lld sound records", at.seq);
  *count = sound ? at.seq - start.seq : 0;
  if (sound && journal->is_segment) return 1; /* it holds nothing else */
  return sound && compare_mark(journal, at.seq) &&
         find_fault(journal, ALTERED_RECORD, "the record %s differs from the audit chain", seq) &&
         find_fault(journal, LOST_RECORD, "the record %s is missing or was put back to an older state", seq) &&
         find_fault(journal, ALTERED_VALUE, "the sealed value %s differs from the audit chain", seq) &&
         find_fault(journal, LOST_VALUE, "the sealed value %s is missing or was put back to an older one", seq) &&
         find_fault(journal, FOREIGN_VALUE, "the sealed value %s was dropped, and is there again", seq);
}

int journal_audit_verify(struct journal *journal, int64_t *count, int64_t *seq) {
  int alone = !journal->writing; /* then one view of everything, while others may write */
  if (alone) sqlite3_exec(journal->database, "BEGIN", NULL, NULL, NULL);
  int sound = verify_all(journal, count, seq);
  if (alone) sqlite3_exec(journal->database, "COMMIT", NULL, NULL, NULL);
  return sound;
}
