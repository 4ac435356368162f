/* Another key for a journal: everything that is sealed is sealed anew, in one
 * transaction. So the journal opens with the old key or with the new one, and
 * which, the owner's record tells.
 *
 * Nobody else has the folder meanwhile: a process that works with the old key
 * would find a chain that it cannot prove.
 */
#include "hex.h"
#include "journal_internal.h"
#include "sys.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Open what is sealed with one key and seal it with the other. */
static int seal_anew(struct journal *live, struct journal *next, const char *id, const unsigned char *sealed,
                     size_t length, struct buffer *out) {
  const struct seal_name name = {"value", live->binding, id};
  size_t size = journal_seal_plain_size(sealed, length, SIZE_MAX);
  char *plain = size == SIZE_MAX ? NULL : OPENSSL_secure_malloc(size + 1);
  int opened = plain && journal_seal_decrypt(live, &name, sealed, length, plain);
  int done = opened && journal_seal_encrypt(next, &name, plain, size, out);
  OPENSSL_secure_clear_free(plain, plain ? size + 1 : 0);
  if (opened) return done || journal_store_refuse(live, next->message);
  char why[640];
  snprintf(why, sizeof why, "the value sealed under '%.512s' does not open. Run: moonlatch journal verify", id);
  return journal_store_refuse(live, why);
}

/* Replace the value under this id, and say so in the chain. */
static int replace_value(struct journal *live, double time, const char *id, const struct buffer *sealed) {
  sqlite3_stmt *reseal = journal_store_statement(live, RESEAL);
  sqlite3_bind_text(reseal, 1, id, -1, SQLITE_STATIC);
  sqlite3_bind_blob(reseal, 2, sealed->data, (int)sealed->length, SQLITE_STATIC);
  sqlite3_bind_int64(reseal, 3, live->head.seq + 1);
  if (!journal_store_run(live, reseal)) return 0;
  sqlite3_stmt *as_json = journal_store_statement(live, SEALED_AS_JSON);
  sqlite3_bind_text(as_json, 1, id, -1, SQLITE_STATIC);
  return journal_audit_append_row(live, as_json, time, AUDIT_SEAL);
}

/* The value after this id. 1: its id is in id; 0: there is none; -1: it failed. */
static int reseal_next(struct journal *live, struct journal *next, double time, char id[JOURNAL_BINDING + 1],
                       struct buffer *scratch) {
  sqlite3_stmt *find = journal_store_statement(live, NEXT_SEALED);
  sqlite3_bind_text(find, 1, id, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(find, 2, INT64_MAX);
  int code = sqlite3_step(find), done = 0;
  scratch->length = 0;
  if (code == SQLITE_ROW) {
    snprintf(id, JOURNAL_BINDING + 1, "%s", (const char *)sqlite3_column_text(find, 0));
    done = seal_anew(live, next, id, sqlite3_column_blob(find, 1), (size_t)sqlite3_column_bytes(find, 1), scratch);
  }
  sqlite3_reset(find);
  if (code == SQLITE_DONE) return 0;
  return done && replace_value(live, time, id, scratch) ? 1 : -1;
}

static int reseal_values(struct journal *live, struct journal *next, double time, struct buffer *scratch,
                         int64_t *count) {
  char id[JOURNAL_BINDING + 1] = "";
  int more = 1;
  for (*count = 0; more > 0; *count += more > 0) more = reseal_next(live, next, time, id, scratch);
  return more == 0;
}

/* From here on the journal has the new keys. */
static int change_keys(struct journal *live, const struct journal *next, struct buffer *scratch) {
  struct head start;
  if (!journal_audit_read_start(live, &start))
    return journal_store_refuse(live, "the start of its audit chain was altered");
  live->keys = next->keys;
  memcpy(live->key_id, next->key_id, KEY_ID_SIZE);
  scratch->length = 0;
  return journal_owner_write(live, scratch) && journal_audit_write_start(live, &start);
}

static int append_rekey(struct journal *live, double time) {
  char body[64], digits[2 * KEY_ID_SIZE + 1];
  int length = snprintf(body, sizeof body, "{\"key\":\"%s\"}", hex_text(live->key_id, KEY_ID_SIZE, digits));
  return journal_audit_append(live, time, AUDIT_REKEY, body, (size_t)length);
}

/* The mark is the old key's, and no mark is better than one that nobody can read. */
static void remove_mark(const struct journal *journal) {
  char path[PATH_MAX + 16];
  snprintf(path, sizeof path, "%s/" MARK_NAME, journal->directory);
  unlink(path);
}

/* Everything with the journal open. NULL, or the kind of failure. */
static const char *rekey_open(struct journal *old, struct journal *live, struct journal *next, double time,
                              struct buffer *scratch, int64_t *count) {
  int done = journal_audit_begin(live) && reseal_values(live, next, time, scratch, count) &&
             change_keys(live, next, scratch) && append_rekey(live, time);
  if (done) remove_mark(old);
  if (!done || journal_commit(live) != NULL) return "io";
  memcpy(old->installations, live->installations, sizeof old->installations);

  return NULL;
}

/* Does it open with the new key already? */
static int is_done(const struct journal *next, const char *path) {
  struct journal live;
  const char *kind = journal_copy_open(&live, next, path, READ_FILE);
  journal_copy_close(&live);
  return kind == NULL;
}

const char *journal_rekey_live(struct journal *old, struct journal *next, const char *directory, double time,
                               struct buffer *scratch, int64_t *count) {
  struct journal live;
  char path[PATH_MAX + 16], evidence[NAME_MAX + 1];
  const char *kind = journal_place_open_alone(old, directory);
  if (!kind) kind = journal_place_refuse_half(old);
  if (kind) return kind;
  snprintf(path, sizeof path, "%s/" DATABASE_NAME, old->directory);
  if (access(path, F_OK) != 0)
    return journal_place_evidence(old, evidence) ? journal_place_gone(old, "is gone", evidence) : NULL;
  kind = journal_copy_open(&live, old, path, WORK);
  if (kind && strcmp(kind, "key") == 0 && is_done(next, path)) {
    journal_copy_close(&live);
    return NULL;
  }
  if (!kind) kind = rekey_open(old, &live, next, time, scratch, count);
  if (kind) memcpy(old->message, live.message, sizeof old->message);
  journal_copy_close(&live);
  return kind;
}

const char *journal_rekey_segment(struct journal *old, struct journal *next, const char *path, struct buffer *scratch) {
  struct journal segment;
  int64_t count, seq;
  const char *kind = journal_copy_open(&segment, old, path, CHANGE_FILE);
  if (kind && strcmp(kind, "key") == 0 && is_done(next, path)) {
    journal_copy_close(&segment);
    return NULL;
  }
  if (!kind && !journal_audit_verify(&segment, &count, &seq)) kind = "damaged";
  if (!kind && (!journal_audit_begin(&segment) || !change_keys(&segment, next, scratch) || journal_commit(&segment)))
    kind = "io";
  if (kind) memcpy(old->message, segment.message, sizeof old->message);
  journal_copy_close(&segment);
  return kind;
}
