/* Whose journal it is: a record, sealed under its key, that tells whether a key
 * opens it, which tenant it belongs to and which installations' it was.
 *
 * A restored journal gets another installation id and keeps the former ones: so
 * what it marked before is known as formerly ours. The ids stand in clear and are
 * what the record is sealed for: whoever adds one breaks the seal.
 */
#include "hex.h"
#include "journal_internal.h"

#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_MOMENT = 32, LONGEST_OWNER = JOURNAL_BINDING + LONGEST_MOMENT };
enum { LONGEST_CHECK = LONGEST_OWNER + SEAL_OVERHEAD };

int journal_owner_has(const struct journal *journal, const char *id) {
  const char *ids = journal->installations;
  while (*ids && strncmp(ids, id, INSTALLATION_SIZE) != 0) ids += INSTALLATION_SIZE;
  return *ids != '\0';
}

/* Put a new id before those that are there. */
static int add_installation(struct journal *journal) {
  unsigned char random[INSTALLATION_SIZE / 2];
  char own[INSTALLATION_SIZE + 1], *ids = journal->installations;
  if (RAND_bytes(random, sizeof random) != 1) return journal_store_refuse(journal, "there are no random numbers");
  hex_text(random, sizeof random, own);
  memmove(ids + INSTALLATION_SIZE, ids, strlen(ids) + 1);
  memcpy(ids, own, INSTALLATION_SIZE);
  return 1;
}

int journal_owner_write(struct journal *journal, struct buffer *sealed) {
  char text[LONGEST_OWNER] = {0};
  const struct seal_name name = {journal->is_segment ? "segment" : "check", "", journal->installations};
  size_t length = (size_t)snprintf(text, JOURNAL_BINDING, "%s", journal->binding);
  if (journal->restored_at != 0)
    length += 1 + (size_t)snprintf(text + length + 1, LONGEST_MOMENT, "%.17g", journal->restored_at);
  if (!journal_seal_encrypt(journal, &name, text, length, sealed)) return 0;
  return journal_store_write_meta(journal, "installation", journal->installations, strlen(journal->installations)) &&
         journal_store_write_meta(journal, "check", sealed->data, sealed->length);
}

/* A new journal: its installation, its record and an empty chain. */
static int make(struct journal *journal, struct buffer *sealed) {
  if (!add_installation(journal)) return 0;
  journal_audit_start(journal, &journal->head);
  return journal_owner_write(journal, sealed) && !journal_commit(journal);
}

/* Copy the record out; its length, or 0. */
static size_t read_check(struct journal *journal, unsigned char space[LONGEST_CHECK]) {
  return journal_store_read_meta(journal, "check", space, LONGEST_CHECK);
}

/* Make the journal if it is empty and no other process is quicker. NULL, or the kind of failure. */
static const char *make_if_new(struct journal *journal, struct buffer *scratch) {
  unsigned char found[LONGEST_CHECK];
  char evidence[NAME_MAX + 1];
  if (!journal_store_lock(journal)) return "io";
  if (read_check(journal, found)) {
    journal_store_abandon(journal);
    return NULL;
  }
  int empty = sqlite3_step(journal_store_statement(journal, TAIL)) == SQLITE_DONE;
  int taken = journal_place_evidence(journal, evidence);
  if (empty && !taken) return make(journal, scratch) ? NULL : "io";
  journal_store_abandon(journal);
  if (empty) return journal_place_gone(journal, "was emptied", evidence);
  snprintf(
      journal->message, sizeof journal->message,
      "the journal in '%s' is damaged: the record that checks its key is gone. Keep the folder and bring back a backup",
      journal->directory);
  return "damaged";
}

/* The record does not open: the key is another one, or it was altered. */
static const char *refuse_owner(struct journal *journal, const unsigned char *sealed, size_t length) {
  if (length > 0 && *sealed > 1 && !journal_seal_is_foreign(journal, sealed, length)) {
    snprintf(journal->message, sizeof journal->message,
             "the journal in '%s' is damaged: the record that says whose it is was altered. Keep the folder and bring "
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

/* Read the ids; 0 when they are not as they were written. */
static int read_installations(struct journal *journal) {
  size_t length =
      journal_store_read_meta(journal, "installation", journal->installations, sizeof journal->installations - 1);
  journal->installations[length] = '\0';
  return length > 0 && length % INSTALLATION_SIZE == 0 && strlen(journal->installations) == length;
}

/* Open the record. A segment's is sealed as such, so that it cannot stand in the place of a journal. */
static int open_record(struct journal *journal, const unsigned char *sealed, size_t length, char *text) {
  const struct seal_name own = {"check", "", journal->installations};
  const struct seal_name segment = {"segment", "", journal->installations};
  if (journal_seal_decrypt(journal, &own, sealed, length, text)) return 1;
  journal->is_segment = journal->use != WORK && journal_seal_decrypt(journal, &segment, sealed, length, text);
  return journal->is_segment;
}

const char *journal_owner_read(struct journal *journal) {
  unsigned char sealed[LONGEST_CHECK];
  char text[LONGEST_CHECK] = {0};
  size_t length = read_check(journal, sealed);
  if (!read_installations(journal) || !open_record(journal, sealed, length, text))
    return refuse_owner(journal, sealed, length);
  if (strcmp(text, journal->binding) != 0) {
    snprintf(journal->message, sizeof journal->message, "the journal in '%s' belongs to %s, not to %s",
             journal->directory, text, journal->binding);
    return "binding";
  }
  journal->restored_at = strtod(text + strlen(text) + 1, NULL); /* none: 0 */
  return NULL;
}

const char *journal_owner_check(struct journal *journal, struct buffer *scratch) {
  unsigned char sealed[LONGEST_CHECK];
  const char *failed = read_check(journal, sealed) ? NULL : make_if_new(journal, scratch);
  return failed ? failed : journal_owner_read(journal);
}

/* Add those ids that are missing to the former ones, before the one it was made with. */
static int add_former(struct journal *journal, const char *others) {
  char *ids = journal->installations;
  for (; *others; others += INSTALLATION_SIZE) {
    size_t length = strlen(ids), first = length - INSTALLATION_SIZE;
    char id[INSTALLATION_SIZE + 1];
    snprintf(id, sizeof id, "%s", others);
    if (journal_owner_has(journal, id)) continue;
    if (length + INSTALLATION_SIZE >= sizeof journal->installations) return 0;
    memmove(ids + first + INSTALLATION_SIZE, ids + first, INSTALLATION_SIZE + 1);
    memcpy(ids + first, id, INSTALLATION_SIZE);
  }
  return 1;
}

/* Say in the chain which ids it has from now on, and where it stood. */
static int append_restored(struct journal *journal, double time, int replaces) {
  char body[256];
  int length = snprintf(body, sizeof body, "{\"installation\":\"%.8s\",\"replaces\":%s}", journal->installations,
                        replaces ? "true" : "false");
  return journal_audit_append(journal, time, AUDIT_RESTORE, body, (size_t)length);
}

int journal_owner_restored(struct journal *journal, double time, int replaces, const char *others,
                           struct buffer *scratch) {
  if (!journal_audit_begin(journal)) return 0;
  size_t room = sizeof journal->installations - strlen(journal->installations);
  if (room <= INSTALLATION_SIZE || (others && !add_former(journal, others)))
    return journal_store_refuse(journal, "it was restored too often. Give the profile another state folder");
  journal->restored_at = time;
  return (replaces || add_installation(journal)) && journal_owner_write(journal, scratch) &&
         append_restored(journal, time, replaces);
}
