/* The journal, as far as the gate needs it. */
#ifndef JOURNAL_H
#define JOURNAL_H

#include "lib.h"

#define JOURNAL "host.journal"

struct journal;

struct journal *journal_check(lua_State *L, int index);

/* Append an audit record (text: a JSON object) to the open transaction.
 * Returns NULL, or a message. */
const char *journal_audit(struct journal *journal, const char *kind, const char *text, size_t length);

/* Make everything since the last commit durable (fsync). Returns NULL, or a
 * message; after a failure the journal refuses everything: nothing may be sent. */
const char *journal_commit(struct journal *journal);

#endif
