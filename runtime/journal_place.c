/* The folder and file of a journal, which are private to its user, and the files in it that prove that there was a
 * journal.
 *
 * Each of these files is made after a journal. So when the journal is missing or empty beside one of them, somebody
 * removed it; a crash does not leave this state.
 *
 * Each open journal has a shared lock on its folder; a restore has an exclusive lock.
 */
#include "journal_internal.h"
#include "sys.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* Return why the path is not a private folder or file of this user, or NULL. */
static const char *journal_privacy_problem(const char *path, mode_t type) {
  struct stat info;
  if (lstat(path, &info) != 0) return strerror(errno);
  if ((info.st_mode & S_IFMT) != type) return type == S_IFDIR ? "it is not a folder" : "journal.db is not a file";
  if (info.st_uid != geteuid()) return "it belongs to another user";
  return info.st_mode & 077 ? "other users may enter it; run chmod -R go= on it" : NULL;
}

/* Is this a file that is made only after a journal? */
static int is_journal_evidence(const char *name) {
  const char *ending = strrchr(name, '.');
  return strcmp(name, MARK_NAME) == 0 || strcmp(name, LEASES_NAME) == 0 ||
         strncmp(name, BUDGET_START, strlen(BUDGET_START)) == 0 || (ending && strcmp(ending, SEGMENT_ENDING) == 0);
}

/* Of several files the first by the alphabet is taken, so that messages do not depend on the order of the folder. */
int journal_place_find_evidence(const struct journal *journal, char found[NAME_MAX + 1]) {
  DIR *folder = opendir(journal->directory);
  struct dirent *entry = NULL;
  found[0] = '\0';
  while (folder && (entry = readdir(folder))) {
    if (is_journal_evidence(entry->d_name) && (!found[0] || strcmp(entry->d_name, found) < 0))
      snprintf(found, NAME_MAX + 1, "%s", entry->d_name);
  }
  if (folder) closedir(folder);
  return found[0] != '\0';
}

const char *journal_place_fail_gone(struct journal *journal, const char *how, const char *evidence) {
  char why[NAME_MAX + 128];
  snprintf(why, sizeof why, "journal.db %s, and '%s' beside it shows that there was a journal", how, evidence);
  return journal_place_fail_open(journal, journal->directory, "gone", why);
}

const char *journal_place_fail_open(struct journal *journal, const char *directory, const char *kind, const char *why) {
  snprintf(journal->message, sizeof journal->message, "cannot open the journal in '%s': %s", directory, why);
  return kind;
}

/* Return how the journal's file was taken away, or NULL. Called before the file is made. */
static const char *how_journal_was_lost(const char *file) {
  struct stat info;
  if (lstat(file, &info) != 0) return errno == ENOENT ? "is gone" : NULL;
  return S_ISREG(info.st_mode) && info.st_size == 0 ? "is empty" : NULL;
}

/* Find evidence of a journal: as journal_place_find_evidence, or SQLite's log where the file itself is missing. */
static int find_lost_journal(const struct journal *journal, const char *file, char found[NAME_MAX + 1]) {
  char log[PATH_MAX + 8];
  struct stat info;
  snprintf(log, sizeof log, "%s-wal", file);
  snprintf(found, NAME_MAX + 1, DATABASE_NAME "-wal");
  return (lstat(file, &info) != 0 && lstat(log, &info) == 0) || journal_place_find_evidence(journal, found);
}

/* Fail when the journal was taken away. Another process may make the journal at this moment, and evidence after it:
 * so the file is checked once more after the evidence. */
static const char *check_lost_journal(struct journal *journal, const char *file) {
  char evidence[NAME_MAX + 1];
  if (!how_journal_was_lost(file) || !find_lost_journal(journal, file, evidence)) return NULL;
  const char *how = how_journal_was_lost(file);
  return how ? journal_place_fail_gone(journal, how, evidence) : NULL;
}

/* Make the folder, after checking that no other user can replace it or a folder above it. Returns NULL, or why not,
 * which may be in text. */
static const char *make_journal_folder(const char *directory, char text[], size_t size) {
  char where[PATH_MAX];
  const char *why = sys_way_problem(directory, where);
  int code = why ? 0 : sys_files_make_folder(directory);
  if (why) snprintf(text, size, "'%s' %s", where, why);
  return why ? text : code ? strerror(code) : NULL;
}

/* Make the folder, and check that it is private to this user. Returns NULL, or the kind of failure. */
static const char *open_journal_folder(struct journal *journal, const char *directory) {
  char text[PATH_MAX + 128];
  const char *why = make_journal_folder(directory, text, sizeof text);
  if (!why) {
    journal->directory = realpath(directory, NULL);
    why = journal->directory ? journal_privacy_problem(journal->directory, S_IFDIR) : strerror(errno);
  }
  return why ? journal_place_fail_open(journal, directory, "io", why) : NULL;
}

/* Lock the folder in shared mode. Returns NULL, or the kind of failure. */
static const char *lock_journal_folder(struct journal *journal) {
  journal->folder = open(journal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (journal->folder < 0 || flock(journal->folder, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return NULL;
  return journal_place_fail_open(journal, journal->directory, "io",
                                 "another moonlatch restores a backup. Wait for it, then run the command again");
}

const char *journal_place_open_alone(struct journal *journal, const char *directory) {
  const char *kind = open_journal_folder(journal, directory);
  if (kind) return kind;
  journal->folder = open(journal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (journal->folder >= 0 && flock(journal->folder, LOCK_EX | LOCK_NB) == 0) return NULL;
  if (errno != EWOULDBLOCK) return journal_place_fail_open(journal, directory, "io", strerror(errno));
  return journal_place_fail_open(journal, directory, "busy", "another moonlatch uses the journal");
}

/* Make an empty private file, unless it exists. An existing file is not opened: closing it would drop SQLite's
 * locks. */
static const char *make_journal_file(const char *file) {
  int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno != EEXIST) return strerror(errno);
  if (fd >= 0) close(fd);
  return journal_privacy_problem(file, S_IFREG);
}

const char *journal_place_check_restoring(struct journal *journal) {
  char path[PATH_MAX];
  struct stat info;
  snprintf(path, sizeof path, "%s/" RESTORED_NAME, journal->directory);
  if (lstat(path, &info) != 0) return NULL;
  return journal_place_fail_open(journal, journal->directory, "restoring",
                                 "`moonlatch journal restore` was stopped before it was done, and nothing is lost");
}

const char *journal_place_open(struct journal *journal, const char *directory, char file[PATH_MAX]) {
  const char *kind = open_journal_folder(journal, directory);
  if (!kind) kind = lock_journal_folder(journal);
  if (!kind) kind = journal_place_check_restoring(journal);
  if (kind) return kind;
  if (snprintf(file, PATH_MAX, "%s/" DATABASE_NAME, journal->directory) >= PATH_MAX)
    return journal_place_fail_open(journal, directory, "io", strerror(ENAMETOOLONG));
  kind = check_lost_journal(journal, file);
  if (kind) return kind;
  const char *why = make_journal_file(file);
  return why ? journal_place_fail_open(journal, directory, "io", why) : NULL;
}

void journal_place_close(struct journal *journal) {
  if (journal->folder > 0) close(journal->folder);
  journal->folder = 0;
}
