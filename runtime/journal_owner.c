/* Whose journal it is: a record, sealed under its key, that tells whether a key
 * opens it and which tenant it belongs to. Made with the journal.
 */
#include "journal_parts.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_CHECK = JOURNAL_BINDING + SEAL_OVERHEAD };

/* A new journal: its installation, its check record (the binding, sealed) and an empty chain. */
static int make(struct journal *journal, struct buffer *sealed) {
  unsigned char random[INSTALLATION_SIZE / 2];
  if (RAND_bytes(random, sizeof random) != 1) return 0;
  for (size_t i = 0; i < sizeof random; i++) snprintf(journal->installation + 2 * i, 3, "%02x", random[i]);
  const struct seal_name name = {"check", "", journal->installation};
  audit_start(journal, &journal->head);
  return seal_encrypt(journal, &name, journal->binding, strlen(journal->binding), sealed) &&
         store_write_meta(journal, "installation", journal->installation, INSTALLATION_SIZE) &&
         store_write_meta(journal, "check", sealed->data, sealed->length) && !journal_commit(journal);
}

/* Copy the check record out; its length, or 0. */
static size_t read_check(struct journal *journal, unsigned char *space, size_t size) {
  sqlite3_stmt *read = store_statement(journal, READ_META);
  sqlite3_bind_text(read, 1, "check", -1, SQLITE_STATIC);
  size_t length = sqlite3_step(read) == SQLITE_ROW ? (size_t)sqlite3_column_bytes(read, 0) : 0;
  if (length > size) length = 0;
  if (length) memcpy(space, sqlite3_column_blob(read, 0), length);
  sqlite3_reset(read);
  return length;
}

/* Make the journal if it is empty and no other process is quicker. NULL, or the kind of failure. */
static const char *make_if_new(struct journal *journal, struct buffer *scratch) {
  unsigned char found[LONGEST_CHECK];
  if (!store_lock(journal)) return "io";
  if (read_check(journal, found, sizeof found)) {
    store_abandon(journal);
    return NULL;
  }
  if (sqlite3_step(store_statement(journal, TAIL)) == SQLITE_DONE) return make(journal, scratch) ? NULL : "io";
  store_abandon(journal);
  snprintf(
      journal->message, sizeof journal->message,
      "the journal in '%s' is damaged: the record that checks its key is gone. Keep the folder and bring back a backup",
      journal->directory);
  return "damaged";
}

static const char *wrong_key(struct journal *journal) {
  snprintf(journal->message, sizeof journal->message,
           "the key does not open the journal in '%s': it was made with another one. Find that key: what it sealed "
           "exists nowhere else. Only if the key is lost for good, give the profile another state folder",
           journal->directory);
  return "key";
}

const char *owner_check(struct journal *journal, struct buffer *scratch) {
  unsigned char sealed[LONGEST_CHECK];
  char binding[LONGEST_CHECK] = {0};
  const struct seal_name name = {"check", "", journal->installation};
  size_t length = read_check(journal, sealed, sizeof sealed);
  const char *failed = length ? NULL : make_if_new(journal, scratch);
  if (failed) return failed;
  if (!length) length = read_check(journal, sealed, sizeof sealed);
  if (!store_read_meta(journal, "installation", journal->installation, INSTALLATION_SIZE)) return wrong_key(journal);
  if (!seal_decrypt(journal, &name, sealed, length, binding)) return wrong_key(journal);
  if (strcmp(binding, journal->binding) == 0) return NULL;
  snprintf(journal->message, sizeof journal->message, "the journal in '%s' belongs to %s, not to %s",
           journal->directory, binding, journal->binding);
  return "binding";
}
