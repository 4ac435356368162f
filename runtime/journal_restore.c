/* Restore a backup: put it in the place of a journal.
 *
 * The restore has an exclusive lock on the folder. The copy is complete, verified, marked as restored and durable
 * before it is named journal.db.restored; while a file of this name exists, no journal is opened, and the restore is
 * repeated. A journal that was there is moved aside, never removed.
 */
#include "journal_internal.h"
#include "sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_SIZE (PATH_MAX + 64)

static void get_restore_path(const struct journal *journal, const char *name, char path[PATH_SIZE]) {
  snprintf(path, PATH_SIZE, "%s/%s", journal->directory, name);
}

static int restore_path_exists(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

/* Was nothing ever written to this journal? */
static int restore_may_replace(struct journal *journal) {
  unsigned char check[JOURNAL_BINDING];
  return journal->statements[TAIL] && journal_store_read_meta(journal, "check", check, sizeof check) == 0 &&
         sqlite3_step(journal_store_statement(journal, TAIL)) == SQLITE_DONE;
}

/* Look at the journal that is there: set restore->ids and restore->existing. Its WAL is merged when it is closed
 * again. Returns NULL, or "living" when it may not be moved aside. */
static const char *look_at_existing_journal(struct journal *journal, struct restore *restore) {
  struct journal living;
  struct chain_head head = {0};
  char path[PATH_SIZE];
  get_restore_path(journal, DATABASE_NAME, path);
  if (!restore_path_exists(path)) return NULL;
  const char *kind = journal_copy_open(&living, journal, path, WORK);
  if (!kind && journal_audit_read_stored_head(&living, &head)) {
    memcpy(restore->ids, living.installations, sizeof restore->ids);
    snprintf(restore->existing, sizeof restore->existing, "one that ends with record %lld", (long long)head.seq);
  } else {
    snprintf(restore->existing, sizeof restore->existing, "one that does not open (%.600s)", living.message);
  }
  int is_new = kind ? restore_may_replace(&living) : head.seq == 0;
  journal_copy_close(&living);
  if (is_new || restore->set_aside) return NULL;
  snprintf(journal->message, sizeof journal->message, "there is already a journal in '%.256s': %.700s",
           journal->directory, restore->existing);
  return "living";
}

/* Record the restore in the copy and verify it; journal gets the copy's head and installation ids. */
static const char *verify_restored_copy(struct journal *journal, struct restore *restore, const char *part,
                                        struct buffer *scratch) {
  struct journal copy;
  int64_t count, seq;
  const char *kind = journal_copy_open(&copy, journal, part, WORK_FILE);
  if (!kind && !journal_audit_verify(&copy, &count, &seq)) kind = "damaged";
  if (!kind && (!journal_owner_record_restore(&copy, restore->time, restore->replaces, restore->ids, scratch) ||
                journal_audit_commit(&copy) != NULL))
    kind = "io";
  if (kind)
    snprintf(journal->message, sizeof journal->message, "cannot restore '%.300s': %.700s", restore->file, copy.message);
  memcpy(journal->installations, copy.installations, sizeof journal->installations);
  journal->head = copy.head;
  journal_copy_close(&copy);
  return kind;
}

/* Make the complete copy that will be the journal. */
static const char *make_restored_copy(struct journal *journal, struct restore *restore, struct buffer *scratch) {
  struct journal source;
  char part[PATH_SIZE], restored[PATH_SIZE];
  get_restore_path(journal, RESTORED_NAME ".part", part);
  get_restore_path(journal, RESTORED_NAME, restored);
  const char *kind = journal_copy_open(&source, journal, restore->file, READ_FILE);
  if (kind) memcpy(journal->message, source.message, sizeof journal->message);
  if (!kind) kind = journal_copy_database(journal, source.database, part);
  journal_copy_close(&source);
  if (!kind) kind = verify_restored_copy(journal, restore, part, scratch);
  int code = kind ? 0 : sys_files_replace(part, restored);
  if (kind || code) unlink(part);
  if (code) snprintf(journal->message, sizeof journal->message, "cannot make '%.700s': %s", restored, strerror(code));
  return code ? "io" : kind;
}

/* Choose the path that the old journal is moved to: the first unused number. */
static void choose_aside_path(const struct journal *journal, char aside[PATH_SIZE]) {
  char name[64];
  int number = 0;
  do {
    snprintf(name, sizeof name, DATABASE_NAME ".before-%d", ++number);
    get_restore_path(journal, name, aside);
  } while (restore_path_exists(aside));
}

/* Move the old journal aside, its log first: a run that was stopped in between then chooses the same name. 0 or an
 * errno value. */
static int move_existing_aside(const struct journal *journal, struct restore *restore) {
  char from[PATH_SIZE], log[PATH_SIZE], index[PATH_SIZE], aside_log[PATH_SIZE + 8];
  get_restore_path(journal, DATABASE_NAME, from);
  get_restore_path(journal, DATABASE_NAME "-wal", log);
  get_restore_path(journal, DATABASE_NAME "-shm", index);
  if (!restore_path_exists(from)) return 0;
  choose_aside_path(journal, restore->aside);
  snprintf(aside_log, sizeof aside_log, "%s-wal", restore->aside);
  if (rename(log, aside_log) != 0 && errno != ENOENT) return errno;
  unlink(index);
  return sys_files_replace(from, restore->aside);
}

/* Rename the restored copy to journal.db, after the old journal is moved and the mark written. */
static const char *install_restored(struct journal *journal, struct restore *restore) {
  char restored[PATH_SIZE], path[PATH_SIZE];
  get_restore_path(journal, RESTORED_NAME, restored);
  get_restore_path(journal, DATABASE_NAME, path);
  int code = move_existing_aside(journal, restore);
  if (!code) code = journal_mark_write(journal);
  if (!code) code = sys_files_replace(restored, path);
  if (code)
    snprintf(journal->message, sizeof journal->message, "cannot put the journal in its place in '%.700s': %s",
             journal->directory, strerror(code));
  return code ? "restoring" : NULL;
}

const char *journal_restore_file(struct journal *journal, struct restore *restore, const char *directory,
                                 struct buffer *scratch) {
  const char *kind = journal_place_open_alone(journal, directory);
  if (!kind) kind = look_at_existing_journal(journal, restore);
  if (!kind) kind = make_restored_copy(journal, restore, scratch);
  return kind ? kind : install_restored(journal, restore);
}
