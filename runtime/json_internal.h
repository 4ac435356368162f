/* The strict scanner in front of lua-cjson, which accepts what is not JSON and
 * spoils some of what is. No Lua here. */
#ifndef JSON_INTERNAL_H
#define JSON_INTERNAL_H

#include "secret_name.h"

#include <stdint.h>

enum { JSON_DEPTH = 64 };   /* nested arrays and objects */
enum { JSON_HASHES = 256 }; /* names of the members of open objects that are compared while scanning */

/* A place where what cjson makes of the text is corrected. */
enum json_spot_kind {
  SPOT_OBJECT,  /* holds further spots */
  SPOT_ARRAY,   /* gets the mark of arrays; may hold further spots */
  SPOT_INTEGER, /* cjson makes a float of it */
  SPOT_NUMBER,  /* has a fraction or a power, and may be whole all the same */
  SPOT_SECRET,  /* a string that is to become a secret; with its quotes */
  SPOT_TEXT     /* another string, when all are wanted; with its quotes */
};

/* Where a value is in the array or object that holds it. */
struct json_key {
  uint32_t start, end; /* of the member's name, without its quotes; in an array, end is 0 and start counts from 1 */
};

struct json_spot {
  uint8_t kind;    /* enum json_spot_kind */
  uint8_t secret;  /* enum secret_kind, of SPOT_SECRET */
  uint8_t depth;   /* how many arrays and objects it is in */
  uint8_t escaped; /* the name in its key has escapes */
  struct json_key key;
  uint32_t start, end; /* of its text; of an array and object, the end is not known */
};

/* A member's name, without its quotes. */
struct json_name {
  size_t start, end;
  uint32_t object; /* which object it is in, in the order they open */
};

/* An array or object that is open. */
struct json_level {
  struct json_key key; /* of the value in it that is being read */
  uint8_t escaped;     /* the name in that key has escapes */
  uint8_t is_object;
  uint16_t hash_from; /* the first of its names in the hashes */
  uint32_t number;    /* which object it is, in the order they open */
};

struct json_scan {
  /* set by the caller */
  const unsigned char *text;
  size_t length;
  unsigned uses;           /* of names of secrets: bits of enum secret_use */
  const char *const *more; /* further names of secrets, NULL-terminated; may be NULL */
  int every;               /* all strings become spots */
  struct buffer *spots;    /* filled with struct json_spot, in the order of the text */
  struct buffer *names;    /* filled with struct json_name, when not NULL */

  /* the outcome */
  size_t members;       /* in all objects together */
  size_t values;        /* begun */
  unsigned deepest;     /* level of nesting */
  int repeats;          /* some object may name a member twice: compare the names */
  size_t at;            /* where it stopped */
  const char *expected; /* what should have been there; NULL: memory is out */

  /* while it runs */
  unsigned depth;
  struct json_level levels[JSON_DEPTH + 1]; /* the first is around the whole text */
  unsigned entered;                         /* how many of the open ones are spots themselves */
  uint32_t opened;
  uint32_t hashes[JSON_HASHES]; /* of the names in the open objects */
  unsigned hash_count;
  size_t start, end; /* the last string, without its quotes */
  int escaped;       /* it has escapes */
  int lift;          /* the next value belongs to a secret's name: 1 + its kind */
  uint64_t filter;   /* a bit for each of the secrets' names, from their hash */
};

/* Is the text one JSON value (RFC 8259), UTF-8, no deeper than JSON_DEPTH,
 * without lone surrogates and without numbers that Lua cannot hold? Whether a
 * name is repeated in its object is left open where `repeats` is set. */
int json_scan(struct json_scan *scan);

/* Undo the escapes of a string the scanner accepted; out has room for length
 * bytes. Returns how many it filled. */
size_t json_unescape(const char *text, size_t length, char *out);

#endif
