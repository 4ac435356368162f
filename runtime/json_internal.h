/* The strict scanner in front of lua-cjson, which accepts what is not JSON and
 * spoils some of what is. No Lua here. */
#ifndef JSON_INTERNAL_H
#define JSON_INTERNAL_H

#include "secret_name.h"

#include <stdint.h>

enum { JSON_DEPTH = 64 }; /* nested arrays and objects */

/* What cjson must not see, because it would not come back as it is. */
enum json_spot_kind {
  SPOT_EMPTY_ARRAY, /* would come back as an object */
  SPOT_INTEGER,     /* 16 to 19 digits: would lose some as a float */
  SPOT_SECRET,      /* a string that is to become a secret; with its quotes */
  SPOT_TEXT         /* another string, when all are wanted; with its quotes */
};

struct json_spot {
  enum json_spot_kind kind;
  enum secret_kind secret; /* of SPOT_SECRET */
  size_t start, end;
};

/* A member's name, without its quotes. */
struct json_name {
  size_t start, end;
  uint32_t object; /* which object it is in, in the order they open */
};

struct json_scan {
  /* set by the caller */
  const unsigned char *text;
  size_t length;
  unsigned uses;           /* of names of secrets: bits of enum secret_use */
  const char *const *more; /* further names of secrets, NULL-terminated; may be NULL */
  int every;               /* all strings become spots */
  struct buffer *spots;    /* filled with struct json_spot, in order */
  struct buffer *names;    /* filled with struct json_name, when not NULL */

  /* the outcome */
  size_t members;       /* in all objects together */
  size_t values;        /* begun */
  unsigned deepest;     /* level of nesting */
  size_t at;            /* where it stopped */
  const char *expected; /* what should have been there; NULL: memory is out */

  /* while it runs */
  unsigned depth;
  uint64_t objects; /* bit n: level n is an object */
  uint32_t open[JSON_DEPTH], opened;
  size_t start, end; /* the last string, without its quotes */
  int escaped;       /* it has escapes */
  int lift;          /* the next value belongs to a secret's name: 1 + its kind */
  uint64_t filter;   /* a bit for each of the secrets' names, from their length and ends */
};

/* Is the text one JSON value (RFC 8259), UTF-8, no deeper than JSON_DEPTH,
 * without lone surrogates and without numbers that Lua cannot hold? Repeated
 * names are not found here. */
int json_scan(struct json_scan *scan);

/* Undo the escapes of a string the scanner accepted; out has room for length
 * bytes. Returns how many it filled. */
size_t json_unescape(const char *text, size_t length, char *out);

#endif
