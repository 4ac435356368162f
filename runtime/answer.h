/* The answer to a request: status, headers and body, as the gate received them. */
#ifndef ANSWER_H
#define ANSWER_H

#include "lib.h"

#define ANSWER "host.answer"

struct answer {
  long status;
  struct buffer headers; /* NUL-terminated texts "name: value", names in lower case */
  struct buffer body;    /* headers and body are wiped when the answer is closed */
};

struct answer *answer_check(lua_State *L, int index);

/* Push an answer with this status and neither headers nor body. [-0, +1, m] */
struct answer *answer_new(lua_State *L, long status);
/* Add a header to the answer; 0 when memory is out. */
int answer_add_header(struct answer *answer, const char *name, const char *value);
/* Append the header "name: value", name in lower case, to the headers of an answer that is not complete yet; 0 when
 * memory is out. */
int answer_append_header(struct buffer *headers, const char *name, size_t name_length, const char *value,
                         size_t length);
/* gate.answer(status, headers, body) -> answer. Make an answer from these values, for tests. */
int answer_from_lua(lua_State *L);
/* Return the value of the header (name in lower case), or NULL when the answer has no such header. */
const char *answer_header(const struct answer *answer, const char *name);

/* Define the type host.answer. Idempotent. [-0, +0, m] */
void answer_type(lua_State *L);

#endif
