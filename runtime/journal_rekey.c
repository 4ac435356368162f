/* Change the key of a journal: every sealed value is sealed again, in one transaction. The journal opens with the old
 * key or with the new one, and its owner's record tells which.
 *
 * No other process may have the journal open meanwhile: with the old key it would find a chain that it cannot prove.
 */
#include "hex.h"
#include "journal_internal.h"
#include "sys.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Open a sealed value with the current keys, and seal it with the next ones. */
static int rekey_sealed_bytes(struct journal *current, struct journal *next, const char *id,
                              const unsigned char *sealed, size_t length, struct buffer *out) {
  const struct seal_name name = {"value", current->binding, id};
  size_t size = journal_seal_plaintext_size(sealed, length, SIZE_MAX);
  char *plain = size == SIZE_MAX ? NULL : OPENSSL_secure_malloc(size + 1);
  int opened = plain && journal_seal_decrypt(current, &name, sealed, length, plain);
  int done = opened && journal_seal_encrypt(next, &name, plain, size, out);
  OPENSSL_secure_clear_free(plain, plain ? size + 1 : 0);
  if (opened) return done || journal_store_refuse(current, next->message);
  char why[640];
  snprintf(why, sizeof why,
           "the value sealed under '%.512s' cannot be opened: it was altered or moved from another record", id);
  return journal_store_refuse(current, why);
}

/* Seal the value whose id follows this id with the next keys. Returns 1: id is the id of that value; 0: there is no
 * further value; -1: it failed. */
static int rekey_next_value(struct journal *current, struct journal *next, double time, char id[JOURNAL_BINDING + 1],
                            struct buffer *scratch) {
  sqlite3_stmt *find = journal_store_statement(current, NEXT_SEALED);
  sqlite3_bind_text(find, 1, id, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(find, 2, INT64_MAX);
  int code = sqlite3_step(find), done = 0;
  scratch->length = 0;
  if (code == SQLITE_ROW) {
    snprintf(id, JOURNAL_BINDING + 1, "%s", (const char *)sqlite3_column_text(find, 0));
    done = rekey_sealed_bytes(current, next, id, sqlite3_column_blob(find, 1), (size_t)sqlite3_column_bytes(find, 1),
                              scratch);
  }
  sqlite3_reset(find);
  if (code == SQLITE_DONE) return 0;
  return done && journal_audit_write_sealed(current, RESEAL, time, id, scratch) ? 1 : -1;
}

static int rekey_all_values(struct journal *current, struct journal *next, double time, struct buffer *scratch,
                            int64_t *count) {
  char id[JOURNAL_BINDING + 1] = "";
  int more = 1;
  for (*count = 0; more > 0; *count += more > 0) more = rekey_next_value(current, next, time, id, scratch);
  return more == 0;
}

/* Give the journal the next keys. */
static int rekey_change_keys(struct journal *current, const struct journal *next, struct buffer *scratch) {
  struct chain_head start;
  if (!journal_audit_read_start(current, &start))
    return journal_store_refuse(current, journal_audit_fault(current, "the start of its audit chain was altered"));
  current->keys = next->keys;
  memcpy(current->key_id, next->key_id, KEY_ID_SIZE);
  scratch->length = 0;
  return journal_owner_write(current, scratch) && journal_audit_write_start(current, &start);
}

static int append_rekey_record(struct journal *current, double time) {
  char body[64], digits[2 * KEY_ID_SIZE + 1];
  int length = snprintf(body, sizeof body, "{\"key\":\"%s\"}", hex_text(current->key_id, KEY_ID_SIZE, digits));
  return journal_audit_append(current, time, AUDIT_REKEY, body, (size_t)length);
}

/* Remove the mark, which the old key made: a missing mark is accepted, and one that the key did not make is not. */
static void rekey_remove_mark(const struct journal *journal) {
  char path[PATH_MAX + 16];
  snprintf(path, sizeof path, "%s/" MARK_NAME, journal->directory);
  unlink(path);
}

/* Rekey the open journal in one transaction. Returns NULL, or the kind of failure. */
static const char *rekey_open_journal(struct journal *old, struct journal *current, struct journal *next, double time,
                                      struct buffer *scratch, int64_t *count) {
  int done = journal_audit_begin(current) && rekey_all_values(current, next, time, scratch, count) &&
             journal_kept_rekey(current, next, scratch) && rekey_change_keys(current, next, scratch) &&
             append_rekey_record(current, time);
  if (done) rekey_remove_mark(old);
  if (!done || journal_audit_commit(current) != NULL) return "io";
  memcpy(old->installations, current->installations, sizeof old->installations);

  return NULL;
}

/* Does the file open with the next keys already? */
static int opens_with_next_key(const struct journal *next, const char *path) {
  struct journal current;
  const char *kind = journal_copy_open(&current, next, path, READ_FILE);
  journal_copy_close(&current);
  return kind == NULL;
}

const char *journal_rekey_live(struct journal *old, struct journal *next, const char *directory, double time,
                               struct buffer *scratch, int64_t *count) {
  struct journal current;
  char path[PATH_MAX + 16], evidence[NAME_MAX + 1];
  const char *kind = journal_place_open_alone(old, directory);
  if (!kind) kind = journal_place_check_restoring(old);
  if (kind) return kind;
  snprintf(path, sizeof path, "%s/" DATABASE_NAME, old->directory);
  if (access(path, F_OK) != 0)
    return journal_place_find_evidence(old, evidence) ? journal_place_fail_gone(old, "is gone", evidence) : NULL;
  kind = journal_copy_open(&current, old, path, WORK);
  if (kind && strcmp(kind, "key") == 0 && opens_with_next_key(next, path)) {
    journal_copy_close(&current);
    return NULL;
  }
  if (!kind) kind = rekey_open_journal(old, &current, next, time, scratch, count);
  if (kind) memcpy(old->message, current.message, sizeof old->message);
  journal_copy_close(&current);
  return kind;
}

const char *journal_rekey_segment(struct journal *old, struct journal *next, const char *path, struct buffer *scratch) {
  struct journal segment;
  int64_t count, seq;
  const char *kind = journal_copy_open(&segment, old, path, CHANGE_FILE);
  if (kind && strcmp(kind, "key") == 0 && opens_with_next_key(next, path)) {
    journal_copy_close(&segment);
    return NULL;
  }
  if (!kind && !journal_audit_verify(&segment, &count, &seq)) kind = "damaged";
  if (!kind &&
      (!journal_audit_begin(&segment) || !rekey_change_keys(&segment, next, scratch) || journal_audit_commit(&segment)))
    kind = "io";
  if (kind) memcpy(old->message, segment.message, sizeof old->message);
  journal_copy_close(&segment);
  return kind;
}
