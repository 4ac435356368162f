/* Copies of a journal in one file: a backup, and the copy that a restore starts from.
 *
 * A copy is made as NAME.part, verified and made durable before it is renamed to NAME: a file NAME is complete, and a
 * file .part is left from a run that was stopped.
 */
#include "journal_internal.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BUSY_TIMEOUT_MS = 5000, BUSY_WAIT_MS = 20 };

/* Offset of two bytes in SQLite's file format that tell whether the database is in WAL mode: 2 and 2, else 1 and 1. */
enum { FORMAT_VERSION_OFFSET = 18 };

static const char *fail_copy(struct journal *journal, const char *verb, const char *path, const char *why) {
  snprintf(journal->message, sizeof journal->message, "cannot %s '%s': %s", verb, path, why);
  return "io";
}

const char *journal_copy_resolve(lua_State *L, int index) {
  const char *path = lib_checktext(L, index), *slash = strrchr(path, '/');
  char folder[PATH_MAX];
  if (!slash || slash == path || snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path) >= PATH_MAX)
    return path;
  char *real = realpath(folder, NULL);
  if (real) snprintf(folder, sizeof folder, "%s", real);
  free(real); /* before a function can raise an error */
  return lua_pushfstring(L, "%s%s", folder, slash);
}

const char *journal_copy_open(struct journal *copy, const struct journal *like, const char *file,
                              enum database_use use) {
  *copy = (struct journal){.keys = like->keys, .binding = like->binding, .clock = like->clock, .use = use};
  memcpy(copy->key_id, like->key_id, KEY_ID_SIZE);
  copy->directory = strdup(file);
  if (!copy->directory) return fail_copy(copy, "open", file, strerror(ENOMEM));
  const char *kind = journal_store_open(copy, file);
  return kind ? kind : journal_owner_read(copy);
}

void journal_copy_close(struct journal *copy) {
  journal_store_close(copy);
  EVP_MD_CTX_free(copy->hashing);
  copy->hashing = NULL;
}

int journal_copy_make_part(const char *part) {
  struct stat info;
  if (lstat(part, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid()) unlink(part);
  int fd = open(part, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0) return errno;
  close(fd);
  return 0;
}

/* Copy all pages in one step, which sees one state of the source while others write. */
static int copy_database_pages(sqlite3 *source, sqlite3 *to) {
  sqlite3_exec(to, "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF", NULL, NULL, NULL);
  sqlite3_backup *backup = sqlite3_backup_init(to, "main", source, "main");
  int code = SQLITE_BUSY;
  for (int left = BUSY_TIMEOUT_MS; backup && code == SQLITE_BUSY && left > 0; left -= BUSY_WAIT_MS) {
    code = sqlite3_backup_step(backup, -1);
    if (code == SQLITE_BUSY) sqlite3_sleep(BUSY_WAIT_MS);
  }
  sqlite3_backup_finish(backup);
  return code == SQLITE_DONE;
}

int journal_copy_make_single_file(const char *part) {
  static const unsigned char rollback_mode[2] = {1, 1};
  int fd = open(part, O_RDWR | O_CLOEXEC | O_NOFOLLOW), code = 0;
  if (fd < 0) return errno;
  if (pwrite(fd, rollback_mode, sizeof rollback_mode, FORMAT_VERSION_OFFSET) != (ssize_t)sizeof rollback_mode ||
      fsync(fd) != 0)
    code = errno;
  close(fd);
  return code;
}

const char *journal_copy_database(struct journal *journal, sqlite3 *source, const char *part) {
  sqlite3 *to = NULL;
  char why[256] = "";
  int code = journal_copy_make_part(part);
  if (code) return fail_copy(journal, "make", part, strerror(code));
  int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW | SQLITE_OPEN_NOMUTEX;
  if (sqlite3_open_v2(part, &to, flags, NULL) != SQLITE_OK || !copy_database_pages(source, to)) {
    int system_code = to ? sqlite3_system_errno(to) : ENOMEM;
    snprintf(why, sizeof why, "%s%s%s", to ? sqlite3_errmsg(to) : "", system_code ? ": " : "",
             system_code ? strerror(system_code) : "");
  }
  sqlite3_close(to);
  code = *why ? 0 : journal_copy_make_single_file(part);
  return *why || code ? fail_copy(journal, "copy the journal to", part, *why ? why : strerror(code)) : NULL;
}

/* Verify the copy on disk, and set journal->copied to its head. */
static const char *verify_copy(struct journal *journal, const char *part) {
  struct journal copy;
  int64_t count, seq;
  const char *kind = journal_copy_open(&copy, journal, part, READ_FILE);
  if (!kind && (!journal_audit_verify(&copy, &count, &seq) || !journal_audit_read_stored_head(&copy, &journal->copied)))
    kind = "damaged";
  if (kind)
    snprintf(journal->message, sizeof journal->message, "the copy '%.256s' is damaged: %.700s", part, copy.message);
  journal_copy_close(&copy);
  return kind;
}

const char *journal_copy_backup(struct journal *journal, const char *path) {
  char part[PATH_MAX];
  struct stat info;
  if (snprintf(part, sizeof part, "%s.part", path) >= (int)sizeof part)
    return fail_copy(journal, "make", path, strerror(ENAMETOOLONG));
  if (lstat(path, &info) == 0) {
    fail_copy(journal, "make", path, "it exists already and is not replaced");
    return "exists";
  }
  const char *kind = journal_copy_database(journal, journal->database, part);
  if (!kind) kind = verify_copy(journal, part);
  int code = kind ? 0 : sys_files_place_new(part, path);
  if (kind || code) unlink(part);
  return code ? fail_copy(journal, "make", path, strerror(code)) : kind;
}
