/* A strict JSON scanner: one pass, no recursion, no copies. See json_internal.h. */
#include "hex.h"
#include "json_internal.h"
#include "utf8.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_NUMBER_LENGTH = 400, MAX_SECRET = 128 << 10 };
enum { MAX_VALUES = 400000 }; /* small values take much more memory than their text */

#define EACH_BYTE(c) (0x0101010101010101 * (uint64_t)(c))

/* Return the current byte; 0, which no JSON text may contain, at the end. */
static unsigned char peek_byte(const struct json_scan *scan) {
  return scan->at < scan->length ? scan->text[scan->at] : 0;
}

static int fail_scan(struct json_scan *scan, const char *expected) {
  scan->expected = expected;
  return 0;
}

static int is_json_digit(unsigned char c) {
  return c >= '0' && c <= '9';
}

static int is_whitespace(unsigned char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Skip whitespace; nearly always there is none. */
static inline void skip_whitespace(struct json_scan *scan) {
  while (peek_byte(scan) <= ' ' && is_whitespace(peek_byte(scan))) scan->at++;
}

static int append_spot(struct json_scan *scan, const struct json_spot *spot) {
  return buffer_append(scan->spots, spot, sizeof *spot) ? 1 : fail_scan(scan, NULL);
}

/* Make a spot for the value that is being scanned at this depth. */
static struct json_spot make_spot(const struct json_scan *scan, enum json_spot_kind kind, unsigned depth) {
  const struct json_level *level = &scan->levels[depth];
  return (struct json_spot){
      .kind = (uint8_t)kind, .depth = (uint8_t)depth, .key = level->key, .key_has_escapes = level->key_has_escapes};
}

/* Append a spot for the value from start on, and before it a spot for each open object that is no spot yet. */
static int append_value_spot(struct json_scan *scan, enum json_spot_kind kind, size_t start) {
  for (; scan->spot_levels < scan->depth; scan->spot_levels++) {
    struct json_spot object = make_spot(scan, SPOT_OBJECT, scan->spot_levels);
    if (!append_spot(scan, &object)) return 0;
  }
  struct json_spot spot = make_spot(scan, kind, scan->depth);
  if (scan->secret_of_next) spot.secret = (uint8_t)(scan->secret_of_next - 1);
  spot.start = (uint32_t)start;
  spot.end = (uint32_t)scan->at;
  return append_spot(scan, &spot);
}

/* Return the eight bytes with the highest bit set in each byte that ends a run of plain ASCII in a string. Only the
 * lowest such bit is exact: a borrow may set the bit of a byte above it. */
static uint64_t find_special_bytes(uint64_t bytes) {
  uint64_t quote = bytes ^ EACH_BYTE('"'), escape = bytes ^ EACH_BYTE('\\');
  uint64_t found = (quote - EACH_BYTE(1)) | (escape - EACH_BYTE(1)) | (bytes - EACH_BYTE(0x20)) | bytes;
  return found & EACH_BYTE(0x80);
}

static void skip_plain_ascii(struct json_scan *scan) {
  uint64_t bytes, found = 0;
  while (!found && scan->at + sizeof bytes <= scan->length) {
    memcpy(&bytes, scan->text + scan->at, sizeof bytes);
    found = find_special_bytes(le64toh(bytes));
    scan->at += found ? (unsigned)__builtin_ctzll(found) / 8 : sizeof bytes;
  }
  if (found) return;
  for (unsigned char c = peek_byte(scan); c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; c = peek_byte(scan))
    scan->at++;
}

static int scan_unicode_escape(struct json_scan *scan) {
  const char *text = (const char *)scan->text + scan->at;
  size_t left = scan->length - scan->at;
  int code = hex_value(text + 2, left - 2, 4);
  if (code < 0) return fail_scan(scan, "four hex digits after \\u");
  int is_high = code >= 0xd800 && code < 0xdc00;
  int low = is_high && left >= 12 && text[6] == '\\' && text[7] == 'u' ? hex_value(text + 8, left - 8, 4) : -1;
  if (is_high && (low < 0xdc00 || low > 0xdfff)) return fail_scan(scan, "the second half of a surrogate pair");
  if (code >= 0xdc00 && code < 0xe000) return fail_scan(scan, "the first half of a surrogate pair");
  scan->at += is_high ? 12 : 6;
  return 1;
}

static int scan_escape(struct json_scan *scan) {
  unsigned char c = scan->at + 1 < scan->length ? scan->text[scan->at + 1] : 0;
  if (c == 'u') return scan_unicode_escape(scan);
  if (!c || !strchr("\"\\/bfnrt", c)) return fail_scan(scan, "an escape that JSON knows");
  scan->at += 2;
  return 1;
}

static int scan_utf8(struct json_scan *scan) {
  size_t size = utf8_size((const char *)scan->text + scan->at, scan->length - scan->at);
  if (!size) return fail_scan(scan, "well-formed UTF-8");
  scan->at += size;
  return 1;
}

/* Scan a string, from its opening quote. */
static int scan_string(struct json_scan *scan) {
  scan->start = ++scan->at;
  scan->escaped = 0;
  for (int ok = 1; ok;) {
    skip_plain_ascii(scan);
    unsigned char c = peek_byte(scan);
    if (c == '"') {
      scan->end = scan->at++;
      return 1;
    }
    if (c < 0x20)
      return fail_scan(scan, scan->at < scan->length ? "control characters to be escaped" : "a closing quote");
    if (c == '\\') scan->escaped = 1;
    ok = c == '\\' ? scan_escape(scan) : scan_utf8(scan);
  }
  return 0;
}

static int scan_digits(struct json_scan *scan) {
  if (!is_json_digit(peek_byte(scan))) return fail_scan(scan, "a digit");
  while (is_json_digit(peek_byte(scan))) scan->at++;
  return 1;
}

/* Check an integer of more than 15 digits: Lua must be able to hold it. */
static int check_long_integer(struct json_scan *scan, size_t start) {
  int negative = scan->text[start] == '-';
  uint64_t value = 0, max = (uint64_t)INT64_MAX + (negative ? 1 : 0);
  for (size_t i = start + (negative ? 1 : 0); i < scan->at; i++) {
    unsigned digit = scan->text[i] - '0';
    if (value > (max - digit) / 10) {
      scan->at = start;
      return fail_scan(scan, "an integer of at most 64 bits");
    }
    value = value * 10 + digit;
  }
  return 1;
}

/* Check a number with a fraction or exponent: a double must be able to hold it. */
static int check_float(struct json_scan *scan, size_t start) {
  char copy[MAX_NUMBER_LENGTH + 1] = {0};
  size_t length = scan->at - start;
  if (length <= MAX_NUMBER_LENGTH) memcpy(copy, scan->text + start, length);
  if (length <= MAX_NUMBER_LENGTH && isfinite(strtod(copy, NULL))) return 1;
  scan->at = start;
  return fail_scan(scan, length > MAX_NUMBER_LENGTH ? "a number of at most 400 characters" : "a number below 1.8e308");
}

static int scan_number(struct json_scan *scan) {
  size_t start = scan->at;
  if (peek_byte(scan) == '-') scan->at++;
  size_t digits = scan->at;
  if (peek_byte(scan) == '0')
    scan->at++;
  else if (!scan_digits(scan))
    return 0;
  size_t integer_end = scan->at;
  if (peek_byte(scan) == '.') {
    scan->at++;
    if (!scan_digits(scan)) return 0;
  }
  if ((peek_byte(scan) | 0x20) == 'e') {
    scan->at++;
    if (peek_byte(scan) == '+' || peek_byte(scan) == '-') scan->at++;
    if (!scan_digits(scan)) return 0;
  }
  if (scan->at > integer_end) return check_float(scan, start) && append_value_spot(scan, SPOT_NUMBER, start);
  return (integer_end - digits <= 15 || check_long_integer(scan, start)) &&
         append_value_spot(scan, SPOT_INTEGER, start);
}

static int scan_literal(struct json_scan *scan, const char *literal, size_t size) {
  if (scan->length - scan->at < size || memcmp(scan->text + scan->at, literal, size) != 0)
    return fail_scan(scan, "a value");
  scan->at += size;
  return 1;
}

/* Return a hash of a name, computed eight bytes at a time. Names that were chosen to have the same hash only cause a
 * comparison. */
static uint32_t hash_member_name(const char *name, size_t length) {
  const uint64_t odd = 0x9e3779b97f4a7c15; /* 2^64 divided by the golden ratio */
  uint64_t hash = length, word;
  for (; length >= sizeof word; name += sizeof word, length -= sizeof word) {
    memcpy(&word, name, sizeof word);
    hash = (hash ^ word) * odd;
  }
  word = 0;
  for (size_t i = 0; i < length; i++) word = word << 8 | (unsigned char)name[i];
  return (uint32_t)((hash ^ word) * odd >> 32);
}

/* Return the place of a hash in the filter, which excludes nearly all names at once. */
static unsigned name_filter_place(uint32_t hash) {
  return hash >> 24;
}

/* Return 1 + the kind of secret that a member of this name has, or 0. The name has no escapes. */
static int plain_member_secret_kind(const struct json_scan *scan, const char *name, size_t length, uint32_t hash) {
  if (!scan->filter[name_filter_place(hash)]) return 0;
  const struct secret_name *known = secret_name_find(name, length, scan->uses);
  if (known) return 1 + (int)known->kind;
  for (const char *const *more = scan->more_names; more && *more; more++)
    if (strlen(*more) == length && memcmp(*more, name, length) == 0) return 1 + SECRET_VALUE;
  return 0;
}

/* The same for a name with escapes. A name of a secret has at most 128 bytes, and an escape at most six. Not inlined:
 * the compiler clears `plain` at each call, which takes longer than scanning a usual name. */
__attribute__((noinline)) static int escaped_member_secret_kind(const struct json_scan *scan, const char *name,
                                                                size_t length) {
  char plain[6 * 128];
  if (length > sizeof plain) return 0;
  length = json_unescape(name, length, plain);
  return plain_member_secret_kind(scan, plain, length, hash_member_name(plain, length));
}

/* Is the escaped name the same as this step of a place? */
__attribute__((noinline)) static int is_escaped_step(const char *name, size_t name_length, const char *step,
                                                     size_t length) {
  char plain[6 * 128];
  if (name_length > sizeof plain) return 0;
  return json_unescape(name, name_length, plain) == length && memcmp(plain, step, length) == 0;
}

/* Is the name of the value at this level the step of a place? "*" is any name. */
static int is_level_step(const struct json_scan *scan, const struct json_level *level, const char *step,
                         size_t length) {
  const char *name = (const char *)scan->text + level->key.start;
  size_t name_length = level->key.end - level->key.start;
  if (length == 1 && *step == '*') return 1;
  if (level->key_has_escapes) return is_escaped_step(name, name_length, step, length);
  return name_length == length && memcmp(name, step, length) == 0;
}

/* Is the value that is scanned at the place, or below it? The levels of arrays are no steps; "**" is every place. */
static int is_value_at_place(const struct json_scan *scan, const char *place, size_t length) {
  const char *end = place + length;
  if (length == 2 && memcmp(place, "**", 2) == 0) return 1;
  for (unsigned i = 1; i <= scan->depth && place < end; i++) {
    const struct json_level *level = &scan->levels[i];
    if (!level->is_object) continue;
    const char *dot = memchr(place, '.', (size_t)(end - place));
    size_t step = (size_t)((dot ? dot : end) - place);
    if (!is_level_step(scan, level, place, step)) return 0;
    place += step + (dot != NULL);
  }
  return place == end;
}

static int is_value_at_any_place(const struct json_scan *scan) {
  for (const char *rest = scan->places ? scan->places : ""; *rest;) {
    size_t length = strcspn(rest, ",");
    if (is_value_at_place(scan, rest, length)) return 1;
    rest += length + (rest[length] == ',');
  }
  return 0;
}

/* Compare the hash of the name with those of earlier names in its object. Equal hashes, escapes and more than
 * JSON_HASHES names do not tell whether a name is repeated: then `repeats` is set. */
static void check_repeated_hash(struct json_scan *scan, const struct json_level *level, uint32_t hash) {
  if (scan->escaped || scan->hash_count == JSON_HASHES) {
    scan->repeats = 1;
    return;
  }
  for (unsigned i = level->hash_from; i < scan->hash_count; i++)
    if (scan->hashes[i] == hash) scan->repeats = 1;
  scan->hashes[scan->hash_count++] = hash;
}

/* Store the member name that was scanned last: its key, its hash, and the kind of secret of its value. */
static int store_member_name(struct json_scan *scan) {
  struct json_level *level = &scan->levels[scan->depth];
  struct json_name name = {scan->start, scan->end, level->number};
  if (scan->names && !buffer_append(scan->names, &name, sizeof name)) return fail_scan(scan, NULL);
  level->key = (struct json_key){(uint32_t)scan->start, (uint32_t)scan->end};
  level->key_has_escapes = (uint8_t)scan->escaped;
  scan->members++;
  const char *text = (const char *)scan->text + scan->start;
  size_t length = scan->end - scan->start;
  uint32_t hash = hash_member_name(text, length);
  check_repeated_hash(scan, level, hash);
  scan->secret_of_next = scan->escaped ? escaped_member_secret_kind(scan, text, length)
                                       : plain_member_secret_kind(scan, text, length, hash);
  return 1;
}

/* Scan the name of a member and its colon. */
static int scan_member_name(struct json_scan *scan) {
  skip_whitespace(scan);
  if (peek_byte(scan) != '"') return fail_scan(scan, "a member's name in quotes");
  if (!scan_string(scan) || !store_member_name(scan)) return 0;
  skip_whitespace(scan);
  if (peek_byte(scan) != ':') return fail_scan(scan, "':' after a member's name");
  scan->at++;
  return 1;
}

static int enter_scan_level(struct json_scan *scan, int is_object) {
  if (scan->depth == JSON_DEPTH) return fail_scan(scan, "at most 64 levels of nesting");
  if (!is_object && !append_value_spot(scan, SPOT_ARRAY, scan->at)) return 0;
  if (!is_object) scan->spot_levels++;
  struct json_level level = {
      .is_object = (uint8_t)is_object, .number = ++scan->object_count, .hash_from = (uint16_t)scan->hash_count};
  scan->levels[++scan->depth] = level;
  if (scan->depth > scan->deepest) scan->deepest = scan->depth;
  scan->at++;
  scan->secret_of_next = 0;
  skip_whitespace(scan);
  return 1;
}

static int leave_scan_level(struct json_scan *scan) {
  scan->hash_count = scan->levels[scan->depth--].hash_from;
  if (scan->spot_levels > scan->depth) scan->spot_levels = scan->depth;
  scan->at++;
  return 1;
}

/* The functions begin_… scan the beginning of a value. They return 0: wrong; 1: the value is complete; 2: another
 * value has to follow. */
static int begin_object(struct json_scan *scan) {
  if (!enter_scan_level(scan, 1)) return 0;
  if (peek_byte(scan) == '}') return leave_scan_level(scan);
  return scan_member_name(scan) ? 2 : 0;
}

static int begin_array(struct json_scan *scan) {
  if (!enter_scan_level(scan, 0)) return 0;
  return peek_byte(scan) == ']' ? leave_scan_level(scan) : 2;
}

static int begin_string(struct json_scan *scan) {
  size_t start = scan->at;
  if (!scan->secret_of_next && scan->places && is_value_at_any_place(scan)) scan->secret_of_next = 1 + SECRET_VALUE;
  int is_secret = scan->secret_of_next;
  if (!scan_string(scan)) return 0;
  if (!is_secret) return scan->all_strings ? append_value_spot(scan, SPOT_TEXT, start) : 1;
  if (scan->at - start <= MAX_SECRET) return append_value_spot(scan, SPOT_SECRET, start);
  scan->at = start;
  return fail_scan(scan, "a secret of at most 128 KiB");
}

static int begin_value(struct json_scan *scan) {
  skip_whitespace(scan);
  if (++scan->values > MAX_VALUES) return fail_scan(scan, "at most 400000 values");
  struct json_level *level = &scan->levels[scan->depth];
  if (!level->is_object) level->key.start++;
  unsigned char c = peek_byte(scan);
  switch (c) {
  case '"':
    return begin_string(scan);
  case '{':
    return begin_object(scan);
  case '[':
    return begin_array(scan);
  case 't':
    return scan_literal(scan, "true", 4);
  case 'f':
    return scan_literal(scan, "false", 5);
  case 'n':
    return scan_literal(scan, "null", 4);
  default:
    return c == '-' || is_json_digit(c) ? scan_number(scan) : fail_scan(scan, "a value");
  }
}

/* Scan what follows a complete value. The results are the same. */
static int end_value(struct json_scan *scan) {
  int is_object = scan->levels[scan->depth].is_object;
  skip_whitespace(scan);
  unsigned char c = peek_byte(scan);
  if (c == ',') {
    scan->at++;
    scan->secret_of_next = 0;
    return is_object && !scan_member_name(scan) ? 0 : 2;
  }
  if (c != (is_object ? '}' : ']')) return fail_scan(scan, is_object ? "',' or '}'" : "',' or ']'");
  return leave_scan_level(scan);
}

static void fill_name_filter(struct json_scan *scan) {
  for (const struct secret_name *name = secret_names; name->name; name++)
    if (name->uses & scan->uses) scan->filter[name_filter_place(hash_member_name(name->name, strlen(name->name)))] = 1;
  for (const char *const *more = scan->more_names; more && *more; more++)
    scan->filter[name_filter_place(hash_member_name(*more, strlen(*more)))] = 1;
}

int json_scan(struct json_scan *scan) {
  fill_name_filter(scan);
  int state = 2;
  while (state == 2 || scan->depth > 0) {
    state = state == 2 ? begin_value(scan) : end_value(scan);
    if (!state) return 0;
  }
  skip_whitespace(scan);
  return scan->at == scan->length ? 1 : fail_scan(scan, "nothing after the value");
}

/* Decode the escape at text to out, and its size to *size. Returns the length of the escape. */
static size_t unescape_json_character(const char *text, size_t length, char *out, size_t *size) {
  static const char letters[] = "bfnrt", values[] = "\b\f\n\r\t";
  const char *letter = strchr(letters, text[1]);
  *size = 1;
  if (text[1] != 'u') {
    *out = letter ? values[letter - letters] : text[1];
    return 2;
  }
  uint32_t code = (uint32_t)hex_value(text + 2, 4, 4);
  int pair = code >= 0xd800 && code < 0xdc00 && length >= 12;
  if (pair) code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)hex_value(text + 8, 4, 4) - 0xdc00);
  *size = utf8_encode(code, out);
  return pair ? 12 : 6;
}

size_t json_unescape(const char *text, size_t length, char *out) {
  size_t filled = 0;
  for (size_t i = 0; i < length;) {
    size_t size = 1, escape_length = 1;
    if (text[i] == '\\')
      escape_length = unescape_json_character(text + i, length - i, out + filled, &size);
    else
      out[filled] = text[i];
    filled += size;
    i += escape_length;
  }
  return filled;
}
