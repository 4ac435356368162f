/* Compact a journal: move its oldest audit records to a segment, a file of its own.
 *
 * A segment is a journal without rows and sealed values. It begins where the segment before it ended, and the
 * remaining chain begins where the newest segment ends: this start is sealed, and the hash of the next record covers
 * it. Rows and values that stay are written to the chain again, so that they can be proven without the segments.
 *
 * The segment is complete and durable before anything is removed, in one transaction. A run that was stopped in
 * between writes the segment again under the same name.
 */
#include "hex.h"
#include "journal_internal.h"
#include "sys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *fail_compact(struct journal *journal, const char *path, const char *why) {
  snprintf(journal->message, sizeof journal->message, "cannot write the segment '%.300s': %.600s", path, why);
  return "io";
}

/* Return the number of the last record before this time; at least one record stays in the chain. */
static int64_t last_compacted_record(struct journal *journal, double before, int64_t head) {
  sqlite3_stmt *find = journal_store_statement(journal, FIRST_SINCE);
  sqlite3_bind_double(find, 1, before);
  int64_t last = sqlite3_step(find) == SQLITE_ROW ? sqlite3_column_int64(find, 0) - 1 : head - 1;
  sqlite3_reset(find);
  return last < head ? last : head - 1;
}

/* Write the records up to compact->last to a new segment. */
static int fill_segment(struct journal *journal, const struct compact *compact, struct journal *segment,
                        struct buffer *scratch) {
  struct chain_head end;
  segment->is_segment = 1;
  memcpy(segment->installations, journal->installations, sizeof segment->installations);
  if (!journal_store_lock(segment) || !journal_audit_write_start(segment, &compact->start) ||
      !journal_owner_write(segment, scratch))
    return 0;
  if (!journal_audit_walk(journal, compact->last, segment, &end)) return 0;
  return end.seq == compact->last && !journal_audit_commit(segment);
}

/* Write the segment to the file part, beside its final name. Returns NULL, or the kind of failure. */
static const char *write_segment_part(struct journal *journal, const struct compact *compact, const char *part,
                                      struct buffer *scratch) {
  struct journal segment = {.keys = journal->keys, .binding = journal->binding, .use = MAKE_FILE};
  int code = journal_copy_make_part(part);
  if (code) return fail_compact(journal, part, strerror(code));
  memcpy(segment.key_id, journal->key_id, KEY_ID_SIZE);
  segment.directory = strdup(part);
  const char *kind = segment.directory ? journal_store_open(&segment, part) : "io";
  int ok = !kind && fill_segment(journal, compact, &segment, scratch);
  if (!ok && !*segment.message) memcpy(segment.message, journal->message, sizeof segment.message);
  if (!ok) fail_compact(journal, part, segment.message);
  journal_copy_close(&segment);
  code = ok ? journal_copy_make_single_file(part) : 0;
  if (code) return fail_compact(journal, part, strerror(code));
  return ok ? NULL : "io";
}

/* Name the segment by its records and the hash of the last one. */
static int name_segment(struct journal *journal, struct compact *compact) {
  unsigned char hash[HASH_SIZE];
  char digits[9];
  if (!journal_audit_read_hash(journal, compact->last, hash)) return 0;
  snprintf(compact->segment, sizeof compact->segment, "journal-%lld-%lld-%s" SEGMENT_ENDING,
           (long long)compact->start.seq + 1, (long long)compact->last, hex_text(hash, 4, digits));
  return 1;
}

const char *journal_compact_write(struct journal *journal, struct compact *compact, struct buffer *scratch) {
  char path[PATH_MAX + NAME_MAX + 16], part[sizeof path + 8];
  struct chain_head head;
  const char *why = journal_audit_read_head(journal, &head);
  if (!why && !journal_audit_read_start(journal, &compact->start))
    why = journal_audit_fault(journal, "the start of its audit chain was altered");
  if (why) {
    snprintf(journal->message, sizeof journal->message, "%s", why);
    return "damaged";
  }
  compact->last = last_compacted_record(journal, compact->before, head.seq);
  if (compact->last <= compact->start.seq || !name_segment(journal, compact)) compact->last = 0;
  if (compact->last == 0) return NULL;
  snprintf(path, sizeof path, "%s/%s", journal->directory, compact->segment);
  snprintf(part, sizeof part, "%s.part", path);
  const char *kind = write_segment_part(journal, compact, part, scratch);
  int code = kind ? 0 : sys_files_replace(part, path);
  if (kind || code) unlink(part);
  return code ? fail_compact(journal, path, strerror(code)) : kind;
}

int journal_compact_begin(struct journal *journal, struct compact *compact) {
  struct chain_head start;
  if (!journal_audit_begin(journal)) return 0;
  if (journal_audit_read_start(journal, &start) && start.seq == compact->start.seq) return 1;
  return journal_store_refuse(journal,
                              journal_audit_fault(journal, "another moonlatch compacted the journal meanwhile"));
}

int journal_compact_drop_row(struct journal *journal, const struct compact *compact, const char *kind, const char *id) {
  sqlite3_stmt *drop = journal_store_statement(journal, DROP_RECORD);
  sqlite3_bind_text(drop, 1, kind, -1, SQLITE_TRANSIENT);
  sqlite3_bind_text(drop, 2, id, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(drop, 3, compact->last);
  return journal_store_run(journal, drop);
}

/* Find the next row whose audit record will be removed, and append the record again. Returns 1: *number is the row's
 * number; 0: there is no further row; -1: it failed. */
static int compact_keep_record(struct journal *journal, const struct compact *compact, int64_t *number) {
  sqlite3_stmt *find = journal_store_statement(journal, NEXT_RECORD);
  sqlite3_bind_int64(find, 1, *number);
  sqlite3_bind_int64(find, 2, compact->last);
  int code = sqlite3_step(find), ok = code == SQLITE_ROW;
  if (ok) {
    *number = sqlite3_column_int64(find, 0);
    sqlite3_stmt *move = journal_store_statement(journal, MOVE_RECORD);
    sqlite3_bind_int64(move, 1, *number);
    sqlite3_bind_int64(move, 2, journal->head.seq + 1);
    sqlite3_stmt *as_json = journal_store_statement(journal, RECORD_AS_JSON);
    for (int i = 1; i <= 2; i++) sqlite3_bind_value(as_json, i, sqlite3_column_value(find, i));
    ok = journal_store_run(journal, move) &&
         journal_audit_append_row(journal, as_json, sqlite3_column_double(find, 3), AUDIT_PUT);
  }
  sqlite3_reset(find);
  return code == SQLITE_DONE ? 0 : ok ? 1 : -1;
}

/* The same for sealed values; id is the id of the value that was found last. */
static int compact_keep_value(struct journal *journal, const struct compact *compact, char id[JOURNAL_BINDING + 1]) {
  sqlite3_stmt *find = journal_store_statement(journal, NEXT_SEALED);
  sqlite3_bind_text(find, 1, id, -1, SQLITE_TRANSIENT);
  sqlite3_bind_int64(find, 2, compact->last);
  int code = sqlite3_step(find), ok = code == SQLITE_ROW;
  if (ok) snprintf(id, JOURNAL_BINDING + 1, "%s", (const char *)sqlite3_column_text(find, 0));
  sqlite3_reset(find);
  if (!ok) return code == SQLITE_DONE ? 0 : -1;
  sqlite3_stmt *move = journal_store_statement(journal, MOVE_SEALED),
               *as_json = journal_store_statement(journal, SEALED_AS_JSON);
  sqlite3_bind_text(move, 1, id, -1, SQLITE_STATIC);
  sqlite3_bind_int64(move, 2, journal->head.seq + 1);
  sqlite3_bind_text(as_json, 1, id, -1, SQLITE_STATIC);
  return journal_store_run(journal, move) && journal_audit_append_row(journal, as_json, compact->time, AUDIT_SEAL) ? 1
                                                                                                                   : -1;
}

/* Append the audit record of each remaining row and value again, when the record is among the removed ones. */
static int compact_keep_rows(struct journal *journal, struct compact *compact) {
  int64_t number = INT64_MIN;
  char id[JOURNAL_BINDING + 1] = "";
  int rows = 1, values = 1;
  while (rows > 0) {
    rows = compact_keep_record(journal, compact, &number);
    compact->carried += rows > 0;
  }
  while (rows == 0 && values > 0) {
    values = compact_keep_value(journal, compact, id);
    compact->carried += values > 0;
  }
  if (rows == 0 && values == 0) return 1;
  return journal->refusing ? 0 : journal_store_refuse(journal, "a row that stays cannot be read");
}

/* Delete the records, seal where the chain begins now, and append a record that names the segment. */
static int compact_cut_chain(struct journal *journal, const struct compact *compact) {
  struct chain_head start = {.seq = compact->last};
  char body[NAME_MAX + 128];
  if (!journal_audit_read_hash(journal, compact->last, start.hash))
    return journal_store_refuse(journal, "its audit chain was altered");
  sqlite3_stmt *remove = journal_store_statement(journal, CUT);
  sqlite3_bind_int64(remove, 1, compact->last);
  int length = snprintf(body, sizeof body, "{\"segment\":\"%s\",\"first\":%lld,\"last\":%lld}", compact->segment,
                        (long long)compact->start.seq + 1, (long long)compact->last);
  return journal_store_run(journal, remove) && journal_audit_write_start(journal, &start) &&
         journal_audit_append(journal, compact->time, AUDIT_COMPACT, body, (size_t)length);
}

int journal_compact_end(struct journal *journal, struct compact *compact) {
  if (!compact_keep_rows(journal, compact) || !compact_cut_chain(journal, compact) || journal_audit_commit(journal))
    return 0;
  /* Return free pages to the system; while another process reads, they are used again later. */
  sqlite3_exec(journal->database, "VACUUM; PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL);
  return 1;
}
