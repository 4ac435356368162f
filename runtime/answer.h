/* The answer to a request: status, headers and body, as the gate brought them. */
#ifndef ANSWER_H
#define ANSWER_H

#include "lib.h"

#define ANSWER "host.answer"

struct answer {
  long status;
  struct buffer headers; /* texts: "name: value", names in lower case */
  struct buffer body;    /* both wiped with the answer */
};

struct answer *answer_check(lua_State *L, int index);

/* Push an answer; bytes are copied. [-0, +1, m] */
struct answer *answer_new(lua_State *L, long status);
int answer_header_add(struct answer *answer, const char *name, const char *value);
/* The same for the headers of an answer to be; 0 when memory is out. */
int answer_line_add(struct buffer *headers, const char *name, size_t name_length, const char *value, size_t length);
/* gate.answer(status, headers, body) -> answer: made of given bytes. */
int answer_make(lua_State *L);
/* The value of a header (name in lower case), or NULL. */
const char *answer_header(const struct answer *answer, const char *name);

/* Define the type. Idempotent. [-0, +0, m] */
void answer_type(lua_State *L);

#endif
