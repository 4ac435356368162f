/* The owner's record: it is sealed under the journal's key, and tells whether a key opens the journal, which tenant
 * the journal belongs to, and which installations.
 *
 * A restored journal gets a new installation id and keeps the former ones, so that markers of the former ones are
 * known as ours. The ids are stored in clear and are bound to the record: an id that somebody adds breaks the seal.
 */
#include "hex.h"
#include "journal_internal.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TIME_SIZE = 32, OWNER_SIZE = JOURNAL_BINDING + TIME_SIZE };
enum { SEALED_OWNER_SIZE = OWNER_SIZE + SEAL_OVERHEAD };

int journal_owner_has_installation(const struct journal *journal, const char *id) {
  const char *ids = journal->installations;
  while (*ids && strncmp(ids, id, INSTALLATION_SIZE) != 0) ids += INSTALLATION_SIZE;
  return *ids != '\0';
}

/* Add a new installation id before the others. */
static int add_owner_installation(struct journal *journal) {
  unsigned char random[INSTALLATION_SIZE / 2];
  char own[INSTALLATION_SIZE + 1], *ids = journal->installations;
  if (RAND_bytes(random, sizeof random) != 1) return journal_store_refuse(journal, "the system's random source failed");
  hex_text(random, sizeof random, own);
  memmove(ids + INSTALLATION_SIZE, ids, strlen(ids) + 1);
  memcpy(ids, own, INSTALLATION_SIZE);
  return 1;
}

int journal_owner_write(struct journal *journal, struct buffer *sealed) {
  char text[OWNER_SIZE] = {0};
  const struct seal_name name = {journal->is_segment ? "segment" : "check", "", journal->installations};
  size_t length = (size_t)snprintf(text, JOURNAL_BINDING, "%s", journal->binding);
  if (journal->restored_at != 0)
    length += 1 + (size_t)snprintf(text + length + 1, TIME_SIZE, "%.17g", journal->restored_at);
  if (!journal_seal_encrypt(journal, &name, text, length, sealed)) return 0;
  return journal_store_write_meta(journal, "installation", journal->installations, strlen(journal->installations)) &&
         journal_store_write_meta(journal, "check", sealed->data, sealed->length);
}

/* Fill a new journal: installation, owner's record and an empty chain. */
static int fill_new_owner(struct journal *journal, struct buffer *sealed) {
  if (!add_owner_installation(journal)) return 0;
  if (!journal_audit_empty_head(journal, &journal->head)) return journal_store_refuse(journal, "not enough memory");
  return journal_owner_write(journal, sealed) && !journal_audit_commit(journal);
}

/* Copy the sealed owner's record, and return its length, or 0. */
static size_t read_sealed_owner(struct journal *journal, unsigned char sealed[SEALED_OWNER_SIZE]) {
  return journal_store_read_meta(journal, "check", sealed, SEALED_OWNER_SIZE);
}

/* Fill the journal if it is empty and no other process was faster. Returns NULL, or the kind of failure. */
static const char *fill_owner_if_new(struct journal *journal, struct buffer *scratch) {
  unsigned char sealed[SEALED_OWNER_SIZE];
  char evidence[NAME_MAX + 1];
  if (!journal_store_lock(journal)) return "io";
  if (read_sealed_owner(journal, sealed)) {
    journal_store_abandon(journal);
    return NULL;
  }
  int empty = sqlite3_step(journal_store_statement(journal, TAIL)) == SQLITE_DONE;
  int has_evidence = journal_place_find_evidence(journal, evidence);
  if (empty && !has_evidence) return fill_new_owner(journal, scratch) ? NULL : "io";
  journal_store_abandon(journal);
  if (empty) return journal_place_fail_gone(journal, "was emptied", evidence);
  snprintf(
      journal->message, sizeof journal->message,
      "the journal in '%s' is damaged: the record that checks its key is gone. Keep the folder and bring back a backup",
      journal->directory);
  return "damaged";
}

/* Set the message why the owner's record does not open: another key, or an altered record. Returns the kind. */
static const char *fail_owner(struct journal *journal, const unsigned char *sealed, size_t length) {
  if (length > 0 && *sealed > 1 && !journal_seal_is_foreign(journal, sealed, length)) {
    snprintf(journal->message, sizeof journal->message,
             "the journal in '%s' is damaged: the record of its owner was altered. Keep the folder and bring "
             "back a backup",
             journal->directory);
    return "damaged";
  }
  snprintf(journal->message, sizeof journal->message,
           "the key does not open the journal in '%s': it was made with another one. Find that key: what it sealed "
           "exists nowhere else. Only if the key is lost for good, give the profile another state folder",
           journal->directory);
  return "key";
}

/* Read the installation ids; 0 when their length is wrong. */
static int read_owner_installations(struct journal *journal) {
  size_t length =
      journal_store_read_meta(journal, "installation", journal->installations, sizeof journal->installations - 1);
  journal->installations[length] = '\0';
  return length > 0 && length % INSTALLATION_SIZE == 0 && strlen(journal->installations) == length;
}

/* Open the owner's record. A segment's record is sealed for another use, so that a segment cannot replace a journal. */
static int open_owner(struct journal *journal, const unsigned char *sealed, size_t length, char *text) {
  const struct seal_name own = {"check", "", journal->installations};
  const struct seal_name segment = {"segment", "", journal->installations};
  if (journal_seal_decrypt(journal, &own, sealed, length, text)) return 1;
  journal->is_segment = journal->use != WORK && journal_seal_decrypt(journal, &segment, sealed, length, text);
  return journal->is_segment;
}

const char *journal_owner_read(struct journal *journal) {
  unsigned char sealed[SEALED_OWNER_SIZE];
  char text[SEALED_OWNER_SIZE] = {0};
  size_t length = read_sealed_owner(journal, sealed);
  if (!read_owner_installations(journal) || !open_owner(journal, sealed, length, text))
    return fail_owner(journal, sealed, length);
  if (strcmp(text, journal->binding) != 0) {
    snprintf(journal->message, sizeof journal->message, "the journal in '%s' belongs to %s, not to %s",
             journal->directory, text, journal->binding);
    return "binding";
  }
  journal->restored_at = strtod(text + strlen(text) + 1, NULL); /* 0 when there is none */
  return NULL;
}

const char *journal_owner_check(struct journal *journal, struct buffer *scratch) {
  unsigned char sealed[SEALED_OWNER_SIZE];
  const char *failed = read_sealed_owner(journal, sealed) ? NULL : fill_owner_if_new(journal, scratch);
  return failed ? failed : journal_owner_read(journal);
}

/* Add the missing ids to the former ones, before the id that the journal was made with. */
static int add_former_owner_installations(struct journal *journal, const char *others) {
  char *ids = journal->installations;
  for (; *others; others += INSTALLATION_SIZE) {
    size_t length = strlen(ids), first = length - INSTALLATION_SIZE;
    char id[INSTALLATION_SIZE + 1];
    snprintf(id, sizeof id, "%s", others);
    if (journal_owner_has_installation(journal, id)) continue;
    if (length + INSTALLATION_SIZE >= sizeof journal->installations) return 0;
    memmove(ids + first + INSTALLATION_SIZE, ids + first, INSTALLATION_SIZE + 1);
    memcpy(ids + first, id, INSTALLATION_SIZE);
  }
  return 1;
}

/* Append the audit record about the restore. */
static int append_owner_restore(struct journal *journal, double time, int replaces) {
  char body[256];
  int length = snprintf(body, sizeof body, "{\"installation\":\"%.8s\",\"replaces\":%s}", journal->installations,
                        replaces ? "true" : "false");
  return journal_audit_append(journal, time, AUDIT_RESTORE, body, (size_t)length);
}

int journal_owner_record_restore(struct journal *journal, double time, int replaces, const char *others,
                                 struct buffer *scratch) {
  if (!journal_audit_begin(journal)) return 0;
  size_t free_space = sizeof journal->installations - strlen(journal->installations);
  if (free_space <= INSTALLATION_SIZE || (others && !add_former_owner_installations(journal, others)))
    return journal_store_refuse(journal, "it was restored too often: give the profile another state folder");
  journal->restored_at = time;
  return (replaces || add_owner_installation(journal)) && journal_owner_write(journal, scratch) &&
         append_owner_restore(journal, time, replaces);
}
