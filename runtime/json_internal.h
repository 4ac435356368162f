/* Declarations that json.c and json_scan.c share: the strict scanner that checks a text before lua-cjson decodes it,
 * and lists the spots that cjson decodes wrongly. No Lua here. */
#ifndef JSON_INTERNAL_H
#define JSON_INTERNAL_H

#include "secret_name.h"

#include <stdint.h>

enum { JSON_DEPTH = 64 };   /* nested arrays and objects */
enum { JSON_HASHES = 256 }; /* hashes of member names in open objects that are compared while scanning */

/* The kinds of spots: places of the text where the value that cjson makes has to be corrected. */
enum json_spot_kind {
  SPOT_OBJECT,  /* an object with further spots in it */
  SPOT_ARRAY,   /* an array, which gets the metatable of arrays; it may have further spots in it */
  SPOT_INTEGER, /* an integer, of which cjson makes a float */
  SPOT_NUMBER,  /* a number with a fraction or an exponent, which may be whole */
  SPOT_SECRET,  /* a string that becomes a secret; with its quotes */
  SPOT_TEXT     /* any other string, when all strings are requested; with its quotes */
};

/* The key of a value in its array or object. */
struct json_key {
  uint32_t start,
      end; /* of the member's name, without its quotes; in an array, end is 0 and start is the index, from 1 */
};

struct json_spot {
  uint8_t kind;            /* enum json_spot_kind */
  uint8_t secret;          /* enum secret_kind of a SPOT_SECRET */
  uint8_t depth;           /* number of arrays and objects around the value */
  uint8_t key_has_escapes; /* 1: the name in key has escapes */
  struct json_key key;
  uint32_t start, end; /* of the value's text; unset for an array or object */
};

/* The name of a member, without its quotes. */
struct json_name {
  size_t start, end;
  uint32_t object; /* number of its object, in the order in which objects begin */
};

/* An open array or object. */
struct json_level {
  struct json_key key;     /* key of the value that is being scanned */
  uint8_t key_has_escapes; /* 1: the name in key has escapes */
  uint8_t is_object;
  uint16_t hash_from; /* index of its first name in hashes */
  uint32_t number;    /* number of the object, in the order in which objects begin */
};

struct json_scan {
  /* input */
  const unsigned char *text;
  size_t length;
  unsigned uses;                 /* uses of the names that become secrets: bits of enum secret_use */
  const char *const *more_names; /* further names that become secrets, NULL-terminated; may be NULL */
  const char *places;            /* places whose strings become secrets, as in struct json_rules; may be NULL */
  int all_strings;               /* 1: all strings become spots */
  struct buffer *spots;          /* of struct json_spot, in the order of the text */
  struct buffer *names;          /* of struct json_name; may be NULL */

  /* output */
  size_t members;       /* number of members in all objects */
  size_t values;        /* number of values */
  unsigned deepest;     /* deepest level of nesting */
  int repeats;          /* 1: an object may have a member name twice; the names have to be compared */
  size_t at;            /* offset where the scanner stopped */
  const char *expected; /* what was expected there; NULL when memory is out */

  /* state of the scanner */
  unsigned depth;
  struct json_level levels[JSON_DEPTH + 1]; /* the first level is the text itself */
  unsigned spot_levels;                     /* number of open levels that are spots already */
  uint32_t object_count;
  uint32_t hashes[JSON_HASHES]; /* hashes of the names in open objects */
  unsigned hash_count;
  size_t start, end;   /* of the last string, without its quotes */
  int escaped;         /* 1: the last string has escapes */
  int secret_of_next;  /* 1 + the kind of secret that the next value is; 0: no secret */
  uint8_t filter[256]; /* 1 at the place of the hash of each name that becomes a secret */
};

/* Is the text one JSON value (RFC 8259) in UTF-8, no deeper than JSON_DEPTH, without lone surrogates and without
 * numbers that Lua cannot hold? When `repeats` is set, a name may be repeated in its object. */
int json_scan(struct json_scan *scan);

/* Decode the escapes of a string that the scanner accepted; out has room for length bytes. Returns the length of the
 * result. */
size_t json_unescape(const char *text, size_t length, char *out);

#endif
