/* The mark: a small file beside the journal that tells how far its chain had come.
 *
 * When somebody removes the journal, empties it or replaces it by an older copy, the mark does not fit. The mark is
 * written after its commit is durable, and read before the journal, so it may be older than the journal, and never
 * newer. It is one short line, written in place: after a crash the file has the old line, the new line, or (when it
 * was just created) nothing, which counts as no mark.
 */
#include "hex.h"
#include "journal_internal.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { MARK_SIZE = 256, READ_TRIES = 3 };

#define MARK_FORMAT "moonlatch journal %019" PRId64 " %.8s %s " /* always of the same length */

/* Write the line for this head and installation into out, and return its length; 0 when memory is out. */
static int format_mark(const struct journal *journal, const struct chain_head *head, const char *installation,
                       char out[MARK_SIZE]) {
  char bytes[MARK_SIZE + JOURNAL_BINDING] = {0}, hex[2 * HASH_SIZE + 1];
  unsigned char mac[HASH_SIZE];
  hex_text(head->hash, HASH_SIZE, hex);
  int length = snprintf(out, MARK_SIZE, MARK_FORMAT, head->seq, installation, hex);
  memcpy(bytes, out, (size_t)length);
  snprintf(bytes + MARK_SIZE, JOURNAL_BINDING, "%s", journal->binding);
  if (!journal_seal_mac(journal, bytes, sizeof bytes, mac)) return 0;
  hex_text(mac, HASH_SIZE, hex);
  return length + snprintf(out + length, MARK_SIZE - (size_t)length, "%s\n", hex);
}

static int get_mark_path(const struct journal *journal, char path[PATH_MAX]) {
  return snprintf(path, PATH_MAX, "%s/" MARK_NAME, journal->directory) < PATH_MAX;
}

int journal_mark_write(const struct journal *journal) {
  char path[PATH_MAX], line[MARK_SIZE];
  int length = format_mark(journal, &journal->head, journal->installations, line);
  if (length == 0) return ENOMEM;
  int fd = get_mark_path(journal, path) ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
  if (fd < 0) return errno;
  int ok = pwrite(fd, line, (size_t)length, 0) == length && fdatasync(fd) == 0;
  int code = ok ? 0 : errno;
  close(fd);
  return code;
}

void journal_mark_renew(struct journal *journal) {
  int due = !journal->mark_altered && (journal->unmarked || !journal->marked);
  journal_store_abandon(journal);
  if (journal->use != WORK || !due || !journal->binding || journal->refusing) return;
  /* A mark that cannot be written stays an older one, which is valid. */
  if (journal_audit_read_stored_head(journal, &journal->head)) journal_mark_write(journal);
}

void journal_mark_read(const struct journal *journal, struct mark *mark) {
  char path[PATH_MAX];
  struct buffer content = {0};
  int fd = get_mark_path(journal, path) ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
  *mark = (struct mark){0};
  if (fd < 0) return;
  mark->damaged = sys_files_read_all(fd, &content, sizeof mark->line - 1) == EFBIG;
  if (!mark->damaged && content.length > 0) memcpy(mark->line, content.data, content.length);
  buffer_free(&content);
  close(fd);
}

/* Parse the mark, and check that this key made it. */
static int parse_mark(const struct journal *journal, const struct mark *mark, struct chain_head *head,
                      char installation[9]) {
  char hex[2 * HASH_SIZE + 1], expected[MARK_SIZE];
  if (sscanf(mark->line, "moonlatch journal %" SCNd64 " %8[0-9a-f] %64[0-9a-f] ", &head->seq, installation, hex) != 3 ||
      strlen(hex) != sizeof hex - 1)
    return 0;
  hex_decode(hex, HASH_SIZE, head->hash);
  int length = format_mark(journal, head, installation, expected);
  return (size_t)length == strlen(mark->line) && CRYPTO_memcmp(expected, mark->line, (size_t)length) == 0;
}

/* Set the message that the journal is not the newest one; returns "older". */
static const char *fail_older(struct journal *journal, const char *why, int64_t seq) {
  int length = snprintf(journal->message, sizeof journal->message,
                        "the journal in '%s' is not the one that was used last: ", journal->directory);
  snprintf(journal->message + length, sizeof journal->message - (size_t)length, why, (long long)seq);
  return "older";
}

const char *journal_mark_check(struct journal *journal, struct mark *mark) {
  struct chain_head marked, head;
  unsigned char hash[HASH_SIZE];
  char installation[INSTALLATION_SIZE + 1];
  for (int i = 0; i < READ_TRIES && !journal->marked; i++) {
    if (i > 0) journal_mark_read(journal, mark); /* the mark may have been read while it was written */
    journal->marked = *mark->line && parse_mark(journal, mark, &marked, installation);
    journal->mark_altered = mark->damaged || (*mark->line && !journal->marked);
    if (!journal->mark_altered) break;
  }
  if (!journal->marked || !journal_audit_read_stored_head(journal, &head))
    return NULL; /* journal_audit_read_head checks the head */
  if (!journal_owner_has_installation(journal, installation))
    return fail_older(journal, "it is another journal, or one from before a restore", 0);
  if (marked.seq > head.seq)
    return fail_older(
        journal, "record %lld is missing, so it is an older copy, and values that it does not have may be in force",
        marked.seq);
  if (marked.seq == head.seq)
    memcpy(hash, head.hash, HASH_SIZE);
  else if (!journal_audit_read_hash(journal, marked.seq, hash))
    return NULL;
  if (memcmp(hash, marked.hash, HASH_SIZE) == 0) return NULL;
  return fail_older(journal, "record %lld is a different one, so the two journals diverged before it", marked.seq);
}
