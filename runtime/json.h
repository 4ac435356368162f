/* JSON for other native modules: strict, exact, and careful with secrets. */
#ifndef JSON_H
#define JSON_H

#include "lib.h"

/* The metatable that marks an array, so that [] stays []. */
#define JSON_ARRAY "json.array"

/* What a decode accepts, and which members become secrets. */
struct json_rules {
  size_t max_bytes;           /* 0: the default, 4 MiB */
  const char *const *secrets; /* member names whose string values are lifted, NULL-terminated; may be NULL.
                                 Names of use NAMED_IN_JSON (secret_name.h) are always lifted besides. */
  unsigned uses;              /* further uses of names that are lifted: bits of enum secret_use */
  int sent;                   /* stack index of a list of secrets, 0 for none: a string that equals one of them
                                 comes back as that secret, and one that contains any living secret is redacted.
                                 A member's name that contains one is refused. */
};

/* Push the decoded value and return 1; or push a message that says what is
 * wrong and at which byte (never quoting the text), and return 0. Raises when
 * memory is out, or the memory for secrets. [-0, +1, e] */
int json_decode(lua_State *L, const char *text, size_t length, const struct json_rules *rules);

/* Append the value at index to out as JSON. Secrets are written in clear when
 * lower is 1 (bodies that are sent), as "[secret]" when it is 0 (text a person
 * sees). Returns how many there were. Raises for what JSON has no form for, with
 * the path to it. [-0, +0, e] */
size_t json_encode(lua_State *L, int index, struct buffer *out, int lower);

/* Append the value at index as the body of a request: secrets in clear. For each
 * of them, append a text to places: a letter for its kind ("cvp"[kind]) and the
 * way to it ("passwordProfile.password", "requests[1].body.key"); and add a copy
 * of it to the table at copies. In the way, characters of a member's name that
 * could be taken for part of the way's own form stand as '?'. [-0, +0, e] */
void json_encode_body(lua_State *L, int index, struct buffer *out, struct buffer *places, int copies);

/* The same for reading: two spaces of indentation, secrets as "[secret]". [-0, +0, e] */
void json_encode_pretty(lua_State *L, int index, struct buffer *out);

/* Give the table at the top the array mark, a metatable; or push that. [-0, +0|+1, m] */
void json_mark_array(lua_State *L);
void json_push_mark(lua_State *L);

/* Is the value at index a table that is written as an array: one that is
 * marked, or has a first element? [-0, +0, -] */
int json_is_array(lua_State *L, int index);

#endif
