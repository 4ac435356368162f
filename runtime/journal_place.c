/* The place of a journal: its folder and file, private to us, and the other files that show that there was a
 * journal.
 *
 * Each of those files is made after a journal. So when the journal is missing or empty beside one of them,
 * somebody removed it; a crash does not leave that state.
 *
 * Each open journal holds a shared lock on its folder; a restore holds the lock alone.
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

/* Why this is not a private thing of ours, or NULL. */
static const char *objection(const char *path, mode_t type) {
  struct stat info;
  if (lstat(path, &info) != 0) return strerror(errno);
  if ((info.st_mode & S_IFMT) != type) return type == S_IFDIR ? "it is not a folder" : "journal.db is not a file";
  if (info.st_uid != geteuid()) return "it belongs to another user";
  return info.st_mode & 077 ? "others may enter it; run: chmod -R go= on it" : NULL;
}

/* Does a folder have this name only once it has a journal? */
static int tells_of_journal(const char *name) {
  const char *ending = strrchr(name, '.');
  return strcmp(name, MARK_NAME) == 0 || strcmp(name, LEASES_NAME) == 0 ||
         strncmp(name, BUDGET_START, strlen(BUDGET_START)) == 0 || (ending && strcmp(ending, SEGMENT_ENDING) == 0);
}

/* Of several names the first by the alphabet is told, whatever order the folder lists them in. */
int journal_place_evidence(const struct journal *journal, char found[NAME_MAX + 1]) {
  DIR *folder = opendir(journal->directory);
  struct dirent *entry = NULL;
  found[0] = '\0';
  while (folder && (entry = readdir(folder))) {
    if (tells_of_journal(entry->d_name) && (!found[0] || strcmp(entry->d_name, found) < 0))
      snprintf(found, NAME_MAX + 1, "%s", entry->d_name);
  }
  if (folder) closedir(folder);
  return found[0] != '\0';
}

const char *journal_place_gone(struct journal *journal, const char *how, const char *evidence) {
  char why[NAME_MAX + 128];
  snprintf(why, sizeof why, "journal.db %s, and '%s' beside it tells that there was one", how, evidence);
  return journal_place_cannot_open(journal, journal->directory, "gone", why);
}

const char *journal_place_cannot_open(struct journal *journal, const char *directory, const char *kind,
                                      const char *why) {
  snprintf(journal->message, sizeof journal->message, "cannot open the journal in '%s': %s", directory, why);
  return kind;
}

/* What is amiss with the file, before it is made: NULL, or how it was taken away. */
static const char *loss(const char *file) {
  struct stat info;
  if (lstat(file, &info) != 0) return errno == ENOENT ? "is gone" : NULL;
  return S_ISREG(info.st_mode) && info.st_size == 0 ? "is empty" : NULL;
}

/* As journal_place_evidence; or what SQLite keeps beside the file, where there is no file any more. */
static int find_traces(const struct journal *journal, const char *file, char found[NAME_MAX + 1]) {
  char log[PATH_MAX + 8];
  struct stat info;
  snprintf(log, sizeof log, "%s-wal", file);
  snprintf(found, NAME_MAX + 1, DATABASE_NAME "-wal");
  return (lstat(file, &info) != 0 && lstat(log, &info) == 0) || journal_place_evidence(journal, found);
}

/* Another process may make it at this moment: then what it makes later than the
 * file was seen, and the file is looked at once more. */
static const char *refuse_lost(struct journal *journal, const char *file) {
  char evidence[NAME_MAX + 1];
  if (!loss(file) || !find_traces(journal, file, evidence)) return NULL;
  const char *how = loss(file);
  return how ? journal_place_gone(journal, how, evidence) : NULL;
}

/* Make the folder at the end of a way that nobody else can change. NULL, or why not, which may stand in text. */
static const char *make_folder(const char *directory, char text[], size_t size) {
  char where[PATH_MAX];
  const char *why = sys_refuse_way(directory, where);
  int code = why ? 0 : sys_make_folder(directory);
  if (why) snprintf(text, size, "'%s' %s", where, why);
  return why ? text : code ? strerror(code) : NULL;
}

/* Make the folder, and see that it is ours. NULL, or the kind of failure. */
static const char *find_folder(struct journal *journal, const char *directory) {
  char text[PATH_MAX + 128];
  const char *why = make_folder(directory, text, sizeof text);
  if (!why) {
    journal->directory = realpath(directory, NULL);
    why = journal->directory ? objection(journal->directory, S_IFDIR) : strerror(errno);
  }
  return why ? journal_place_cannot_open(journal, directory, "io", why) : NULL;
}

/* Share the folder with others who have the journal open. NULL, or the kind of failure. */
static const char *share(struct journal *journal) {
  journal->place = open(journal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (journal->place < 0 || flock(journal->place, LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK) return NULL;
  return journal_place_cannot_open(journal, journal->directory, "io",
                                   "another moonlatch puts a backup in its place. Wait for it, then run it again");
}

const char *journal_place_open_alone(struct journal *journal, const char *directory) {
  const char *kind = find_folder(journal, directory);
  if (kind) return kind;
  journal->place = open(journal->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (journal->place >= 0 && flock(journal->place, LOCK_EX | LOCK_NB) == 0) return NULL;
  if (errno != EWOULDBLOCK) return journal_place_cannot_open(journal, directory, "io", strerror(errno));
  return journal_place_cannot_open(journal, directory, "busy",
                                   "another moonlatch works with the journal that is there");
}

/* Make an empty private file, unless it is there. It is never opened when it
 * is: closing it would drop SQLite's locks. */
static const char *make_file(const char *file) {
  int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (fd < 0 && errno != EEXIST) return strerror(errno);
  if (fd >= 0) close(fd);
  return objection(file, S_IFREG);
}

const char *journal_place_refuse_half(struct journal *journal) {
  char path[PATH_MAX];
  struct stat info;
  snprintf(path, sizeof path, "%s/" RESTORED_NAME, journal->directory);
  if (lstat(path, &info) != 0) return NULL;
  return journal_place_cannot_open(journal, journal->directory, "restoring",
                                   "`moonlatch journal restore` was stopped before it was done, and nothing is lost");
}

const char *journal_place_open(struct journal *journal, const char *directory, char file[PATH_MAX]) {
  const char *kind = find_folder(journal, directory);
  if (!kind) kind = share(journal);
  if (!kind) kind = journal_place_refuse_half(journal);
  if (kind) return kind;
  if (snprintf(file, PATH_MAX, "%s/" DATABASE_NAME, journal->directory) >= PATH_MAX)
    return journal_place_cannot_open(journal, directory, "io", strerror(ENAMETOOLONG));
  kind = refuse_lost(journal, file);
  if (kind) return kind;
  const char *why = make_file(file);
  return why ? journal_place_cannot_open(journal, directory, "io", why) : NULL;
}

void journal_place_close(struct journal *journal) {
  if (journal->place > 0) close(journal->place);
  journal->place = 0;
}
