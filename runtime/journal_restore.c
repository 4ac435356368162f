/* Putting a backup in the place of a journal.
 *
 * Nobody else has the folder meanwhile. The copy is whole, verified, marked as
 * restored and durable before it is called journal.db.restored; while a file of
 * that name is there, no journal is opened, and the restore is begun again. What
 * was there before is moved aside and never removed.
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

static void path_of(const struct journal *journal, const char *name, char path[PATH_SIZE]) {
  snprintf(path, PATH_SIZE, "%s/%s", journal->directory, name);
}

static int is_there(const char *path) {
  struct stat info;
  return lstat(path, &info) == 0;
}

/* Has nothing ever been put into it? */
static int is_blank(struct journal *journal) {
  unsigned char check[JOURNAL_BINDING];
  return journal->statements[TAIL] && journal_store_read_meta(journal, "check", check, sizeof check) == 0 &&
         sqlite3_step(journal_store_statement(journal, TAIL)) == SQLITE_DONE;
}

/* What lies in the journal's place. Its WAL goes into it when it is closed again. */
static const char *look_at_living(struct journal *journal, struct restore *restore) {
  struct journal living;
  struct head head = {0};
  char path[PATH_SIZE];
  path_of(journal, DATABASE_NAME, path);
  if (!is_there(path)) return NULL;
  const char *kind = journal_copy_open(&living, journal, path, WORK);
  if (!kind && journal_audit_stored_head(&living, &head)) {
    memcpy(restore->ids, living.installations, sizeof restore->ids);
    snprintf(restore->living, sizeof restore->living, "one that ends with record %lld", (long long)head.seq);
  } else {
    snprintf(restore->living, sizeof restore->living, "one that does not open (%.600s)", living.message);
  }
  int is_new = kind ? is_blank(&living) : head.seq == 0;
  journal_copy_close(&living);
  if (is_new || restore->set_aside) return NULL;
  snprintf(journal->message, sizeof journal->message, "there is a journal in '%.256s' already: %.700s",
           journal->directory, restore->living);
  return "living";
}

/* Mark the copy as restored and verify it; its end and its ids are the journal's from then on. */
static const char *mark_copy(struct journal *journal, struct restore *restore, const char *part,
                             struct buffer *scratch) {
  struct journal copy;
  int64_t count, seq;
  const char *kind = journal_copy_open(&copy, journal, part, WORK_FILE);
  if (!kind && !journal_audit_verify(&copy, &count, &seq)) kind = "damaged";
  if (!kind && (!journal_owner_restored(&copy, restore->time, restore->replaces, restore->ids, scratch) ||
                journal_commit(&copy) != NULL))
    kind = "io";
  if (kind)
    snprintf(journal->message, sizeof journal->message, "cannot restore '%.300s': %.700s", restore->file, copy.message);
  memcpy(journal->installations, copy.installations, sizeof journal->installations);
  journal->head = copy.head;
  journal_copy_close(&copy);
  return kind;
}

/* Make the copy that is to be the journal. */
static const char *make_copy(struct journal *journal, struct restore *restore, struct buffer *scratch) {
  struct journal source;
  char part[PATH_SIZE], whole[PATH_SIZE];
  path_of(journal, RESTORED_NAME ".part", part);
  path_of(journal, RESTORED_NAME, whole);
  const char *kind = journal_copy_open(&source, journal, restore->file, READ_FILE);
  if (kind) memcpy(journal->message, source.message, sizeof journal->message);
  if (!kind) kind = journal_copy_database(journal, source.database, part);
  journal_copy_close(&source);
  if (!kind) kind = mark_copy(journal, restore, part, scratch);
  int code = kind ? 0 : sys_replace(part, whole);
  if (kind || code) unlink(part);
  if (code) snprintf(journal->message, sizeof journal->message, "cannot make '%.700s': %s", whole, strerror(code));
  return code ? "io" : kind;
}

/* The name that the old one gets: the first of its kind that is free. */
static void choose_aside(const struct journal *journal, char aside[PATH_SIZE]) {
  char name[64];
  int number = 0;
  do {
    snprintf(name, sizeof name, DATABASE_NAME ".before-%d", ++number);
    path_of(journal, name, aside);
  } while (is_there(aside));
}

/* Move what was there aside, its log first; a run that is stopped in between takes the same name. 0 or an errno value.
 */
static int move_aside(const struct journal *journal, struct restore *restore) {
  char from[PATH_SIZE], log[PATH_SIZE], index[PATH_SIZE], aside_log[PATH_SIZE + 8];
  path_of(journal, DATABASE_NAME, from);
  path_of(journal, DATABASE_NAME "-wal", log);
  path_of(journal, DATABASE_NAME "-shm", index);
  if (!is_there(from)) return 0;
  choose_aside(journal, restore->aside);
  snprintf(aside_log, sizeof aside_log, "%s-wal", restore->aside);
  if (rename(log, aside_log) != 0 && errno != ENOENT) return errno;
  unlink(index);
  return sys_replace(from, restore->aside);
}

static const char *put_in_place(struct journal *journal, struct restore *restore) {
  char whole[PATH_SIZE], path[PATH_SIZE];
  path_of(journal, RESTORED_NAME, whole);
  path_of(journal, DATABASE_NAME, path);
  int code = move_aside(journal, restore);
  if (!code) code = journal_mark_place(journal);
  if (!code) code = sys_replace(whole, path);
  if (code)
    snprintf(journal->message, sizeof journal->message, "cannot put the journal in its place in '%.700s': %s",
             journal->directory, strerror(code));
  return code ? "restoring" : NULL;
}

const char *journal_restore_file(struct journal *journal, struct restore *restore, const char *directory,
                                 struct buffer *scratch) {
  const char *kind = journal_place_open_alone(journal, directory);
  if (!kind) kind = look_at_living(journal, restore);
  if (!kind) kind = make_copy(journal, restore, scratch);
  return kind ? kind : put_in_place(journal, restore);
}
