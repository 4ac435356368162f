/* The strict scanner: is a text JSON, and how large is what it holds? What builds
 * the values need not look for mistakes any more. */
#ifndef JSON_SCAN_H
#define JSON_SCAN_H

#include "lib.h"

#include <stdint.h>

enum { JSON_DEPTH = 64 };           /* nested arrays and objects */
enum { JSON_LONGEST_NUMBER = 400 }; /* characters, of one that is no integer */

struct json_scan {
  /* set by the caller */
  const unsigned char *text;
  size_t length;
  const char *const *secrets[2]; /* NULL-terminated lists of member names; each may be NULL */
  struct buffer *sizes;          /* filled with a uint32_t for each array and object, in the order they open */

  /* the outcome */
  size_t values;        /* begun */
  unsigned deepest;     /* level of nesting */
  size_t at;            /* where it stopped */
  const char *expected; /* what should have been there; NULL: memory is out */

  /* while it runs */
  unsigned depth;
  uint64_t objects;          /* bit n: level n is an object */
  uint32_t open[JSON_DEPTH]; /* where the size of each level is */
  size_t start, end;         /* the last string, without its quotes */
  int lift;                  /* the next value belongs to a secret's name */
  uint64_t filter;           /* a bit for each of the secrets' names, from their length and ends */
};

/* Is the text one JSON value (RFC 8259), UTF-8, no deeper than JSON_DEPTH,
 * without lone surrogates and without numbers that Lua cannot hold? Repeated
 * names are not found here. */
int json_scan(struct json_scan *scan);

/* Is this name, as it stands between its quotes, one of the secrets'? For a text
 * that was scanned. */
int json_names_secret(const struct json_scan *scan, const char *name, size_t length);

/* Undo the escapes of a string the scanner accepted; out has room for length
 * bytes. Returns how many it filled. */
size_t json_unescape(const char *text, size_t length, char *out);

/* The length of the well-formed UTF-8 character at text, 0 when there is none. */
size_t json_utf8(const unsigned char *text, size_t length);

/* Push the value of a text that was scanned, with the strings of secret members
 * as secrets, and return 1; or return 0 where a name is repeated, with scan->at
 * there. It needs up to four places of the Lua stack for each level. In
 * json_build.c. [-0, +n, e] */
int json_build(lua_State *L, struct json_scan *scan);

#endif
