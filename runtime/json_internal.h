/* What json.c, json_encode.c and json_scan.c share: the strict scanner that checks a text before lua-cjson decodes
 * it. No Lua here. */
#ifndef JSON_INTERNAL_H
#define JSON_INTERNAL_H

#include "secret_name.h"

#include <stdint.h>

enum { JSON_DEPTH = 64 }; /* nested arrays and objects */

/* The kinds of spots in a text that cjson would decode wrongly, or must not see. */
enum json_spot_kind {
  SPOT_EMPTY_ARRAY, /* cjson makes an object of it */
  SPOT_INTEGER,     /* 16 to 19 digits: cjson makes a float of it */
  SPOT_SECRET,      /* a string that becomes a secret; with its quotes */
  SPOT_TEXT         /* any other string, when all strings are requested; with its quotes */
};

struct json_spot {
  enum json_spot_kind kind;
  enum secret_kind secret; /* kind of a SPOT_SECRET */
  size_t start, end;
};

/* The name of a member, without its quotes. */
struct json_name {
  size_t start, end;
  uint32_t object; /* number of its object, in the order in which objects begin */
};

struct json_scan {
  /* input */
  const unsigned char *text;
  size_t length;
  unsigned uses;                 /* uses of the names that become secrets: bits of enum secret_use */
  const char *const *more_names; /* further names that become secrets, NULL-terminated; may be NULL */
  int all_strings;               /* 1: all strings become spots */
  struct buffer *spots;          /* of struct json_spot, in the order of the text */
  struct buffer *names;          /* of struct json_name; may be NULL */

  /* output */
  size_t members;       /* number of members in all objects */
  size_t values;        /* number of values */
  unsigned deepest;     /* deepest level of nesting */
  size_t at;            /* offset where the scanner stopped */
  const char *expected; /* what was expected there; NULL when memory is out */

  /* state of the scanner */
  unsigned depth;
  uint64_t objects; /* bit n: level n is an object */
  uint32_t object_numbers[JSON_DEPTH], object_count;
  size_t start, end;  /* of the last string, without its quotes */
  int escaped;        /* 1: the last string has escapes */
  int secret_of_next; /* 1 + the kind of secret that the next value is; 0: no secret */
  uint64_t filter;    /* a bit for each name that becomes a secret, from its length, first and last character */
};

/* Is the text one JSON value (RFC 8259) in UTF-8, no deeper than JSON_DEPTH, without lone surrogates and without
 * numbers that Lua cannot hold? Repeated names of members are not noticed. */
int json_scan(struct json_scan *scan);

/* Decode the escapes of a string that the scanner accepted; out has room for length bytes. Returns the length of the
 * result. */
size_t json_unescape(const char *text, size_t length, char *out);

#endif
