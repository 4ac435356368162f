/* JSON for other native modules: strict decoding, exact numbers, and secrets that never become Lua strings. */
#ifndef JSON_H
#define JSON_H

#include "lib.h"

/* Name of the metatable that marks an array, so that [] stays []. */
#define JSON_ARRAY "json.array"

/* Rules for decoding: the size limit, and which members become secrets. */
struct json_rules {
  size_t max_bytes;           /* 0: the default limit, 4 MiB */
  const char *const *secrets; /* names of members whose string values become secrets, NULL-terminated; may be NULL.
                                 Names of use NAMED_IN_JSON (secret_name.h) always do. */
  unsigned uses;              /* further uses of names that become secrets: bits of enum secret_use */
  const char *places;         /* places whose texts, and all texts below, become secrets: "data.token,data.*", steps of
                                 member names with * for any, or "**" for every text; elements of an array are where
                                 the array is. NULL for none */
  int sent;   /* stack index of a list of secrets that were sent, 0 for none. A string that equals one of them becomes
                 that secret; a string that contains any living secret is redacted; a member's name that contains one is
                 refused. */
  int string; /* stack index of the text, where it is a Lua string already, which saves a copy; 0 where it is not */
};

/* Push the decoded value and return 1; or push a message that tells what is wrong at which byte (without quoting the
 * text), and return 0. Raises an error when memory is out, or the memory for secrets. [-0, +1, e] */
int json_decode(lua_State *L, const char *text, size_t length, const struct json_rules *rules);

/* Append the value at index to out as JSON. Secrets are written in clear when reveal is 1 (bodies that are sent), as
 * "[secret]" when it is 0 (texts that a person reads). Returns the number of secrets. Raises an error, with the path
 * to the value, for a value that JSON cannot express. [-0, +0, e] */
size_t json_encode(lua_State *L, int index, struct buffer *out, int reveal);

/* Append the value at index as the body of a request, with secrets in clear. For each secret, append a text to
 * places: a letter for its kind ("cvp"[kind]) and the path to it ("passwordProfile.password",
 * "requests[1].body.key"); and append a copy of it to the table at copies. In the path, characters of a member's name
 * that belong to the path's syntax are written as '?'. [-0, +0, e] */
void json_encode_body(lua_State *L, int index, struct buffer *out, struct buffer *places, int copies);

/* Append the value at index as JSON for a person: indented by two spaces, secrets as "[secret]". [-0, +0, e] */
void json_encode_pretty(lua_State *L, int index, struct buffer *out);

/* Mark the table on top of the stack as an array; push the metatable that marks arrays. [-0, +0|+1, m] */
void json_array_mark(lua_State *L);
void json_array_push_metatable(lua_State *L);

/* Is the value at index a table that is encoded as an array: one that is marked, or has a first element? [-0, +0, -] */
int json_array_check(lua_State *L, int index);

#endif
