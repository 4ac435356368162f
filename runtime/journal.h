/* The functions of the journal that the gate uses. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "lib.h"

#define JOURNAL "host.journal"

struct journal;

/* Return the open journal at index; raise an argument error when it is closed or no journal. */
struct journal *journal_check(lua_State *L, int index);

/* Append an audit record (text: a JSON object) to the open transaction. Returns NULL, or why it failed. */
const char *journal_audit_record(struct journal *journal, const char *kind, const char *text, size_t length);

/* Make all records since the last commit durable (fsync). Returns NULL, or why it failed. After a failure the journal
 * refuses every further record, so the gate sends no further change. */
const char *journal_audit_commit(struct journal *journal);

#endif
