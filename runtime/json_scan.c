/* A strict JSON scanner: one pass, no recursion, no copies. See json_internal.h. */
#include "hex.h"
#include "json_internal.h"
#include "utf8.h"

#include <endian.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NUMBER = 400, LONGEST_SECRET = 128 << 10 };
enum { MOST_VALUES = 400000 }; /* small ones take many times their text in memory */

#define EACH_BYTE(c) (0x0101010101010101 * (uint64_t)(c))

/* The byte here; 0, which no JSON text may hold, at the end. */
static unsigned char peek(const struct json_scan *scan) {
  return scan->at < scan->length ? scan->text[scan->at] : 0;
}

static int fail(struct json_scan *scan, const char *expected) {
  scan->expected = expected;
  return 0;
}

static int is_digit(unsigned char c) {
  return c >= '0' && c <= '9';
}

static int is_space(unsigned char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Nearly always there is none. */
static inline void skip_space(struct json_scan *scan) {
  while (peek(scan) <= ' ' && is_space(peek(scan))) scan->at++;
}

static int append_spot(struct json_scan *scan, const struct json_spot *spot) {
  return buffer_append(scan->spots, spot, sizeof *spot) ? 1 : fail(scan, NULL);
}

/* A spot at the value that is being read at that depth. */
static struct json_spot spot_at(const struct json_scan *scan, enum json_spot_kind kind, unsigned depth) {
  const struct json_level *level = &scan->levels[depth];
  return (struct json_spot){
      .kind = (uint8_t)kind, .depth = (uint8_t)depth, .key = level->key, .escaped = level->escaped};
}

/* Add a spot for the value that begins at start, and for each object around it that is none yet. */
static int add_spot(struct json_scan *scan, enum json_spot_kind kind, size_t start) {
  for (; scan->entered < scan->depth; scan->entered++) {
    struct json_spot around = spot_at(scan, SPOT_OBJECT, scan->entered);
    if (!append_spot(scan, &around)) return 0;
  }
  struct json_spot spot = spot_at(scan, kind, scan->depth);
  if (scan->lift) spot.secret = (uint8_t)(scan->lift - 1);
  spot.start = (uint32_t)start;
  spot.end = (uint32_t)scan->at;
  return append_spot(scan, &spot);
}

/* The bytes that end a run of plain ASCII in a string have their highest bit set. The lowest of these is exact;
 * above it a borrow may have set the bit of others. */
static uint64_t find_special(uint64_t bytes) {
  uint64_t quote = bytes ^ EACH_BYTE('"'), escape = bytes ^ EACH_BYTE('\\');
  uint64_t found = (quote - EACH_BYTE(1)) | (escape - EACH_BYTE(1)) | (bytes - EACH_BYTE(0x20)) | bytes;
  return found & EACH_BYTE(0x80);
}

static void skip_plain(struct json_scan *scan) {
  uint64_t bytes, found = 0;
  while (!found && scan->at + sizeof bytes <= scan->length) {
    memcpy(&bytes, scan->text + scan->at, sizeof bytes);
    found = find_special(le64toh(bytes));
    scan->at += found ? (unsigned)__builtin_ctzll(found) / 8 : sizeof bytes;
  }
  if (found) return;
  for (unsigned char c = peek(scan); c >= 0x20 && c < 0x80 && c != '"' && c != '\\'; c = peek(scan)) scan->at++;
}

static int scan_unicode(struct json_scan *scan) {
  const char *text = (const char *)scan->text + scan->at;
  size_t left = scan->length - scan->at;
  int code = hex_value(text + 2, left - 2, 4);
  if (code < 0) return fail(scan, "four hex digits after \\u");
  int is_high = code >= 0xd800 && code < 0xdc00;
  int low = is_high && left >= 12 && text[6] == '\\' && text[7] == 'u' ? hex_value(text + 8, left - 8, 4) : -1;
  if (is_high && (low < 0xdc00 || low > 0xdfff)) return fail(scan, "the second half of a surrogate pair");
  if (code >= 0xdc00 && code < 0xe000) return fail(scan, "the first half of a surrogate pair");
  scan->at += is_high ? 12 : 6;
  return 1;
}

static int scan_escape(struct json_scan *scan) {
  unsigned char c = scan->at + 1 < scan->length ? scan->text[scan->at + 1] : 0;
  if (c == 'u') return scan_unicode(scan);
  if (!c || !strchr("\"\\/bfnrt", c)) return fail(scan, "an escape that JSON knows");
  scan->at += 2;
  return 1;
}

static int scan_utf8(struct json_scan *scan) {
  size_t size = utf8_size((const char *)scan->text + scan->at, scan->length - scan->at);
  if (!size) return fail(scan, "well-formed UTF-8");
  scan->at += size;
  return 1;
}

/* A string, from its opening quote. */
static int scan_string(struct json_scan *scan) {
  scan->start = ++scan->at;
  scan->escaped = 0;
  for (int fine = 1; fine;) {
    skip_plain(scan);
    unsigned char c = peek(scan);
    if (c == '"') {
      scan->end = scan->at++;
      return 1;
    }
    if (c < 0x20) return fail(scan, scan->at < scan->length ? "control characters to be escaped" : "a closing quote");
    if (c == '\\') scan->escaped = 1;
    fine = c == '\\' ? scan_escape(scan) : scan_utf8(scan);
  }
  return 0;
}

static int scan_digits(struct json_scan *scan) {
  if (!is_digit(peek(scan))) return fail(scan, "a digit");
  while (is_digit(peek(scan))) scan->at++;
  return 1;
}

/* An integer of many digits is refused when Lua cannot hold it. */
static int check_integer(struct json_scan *scan, size_t start) {
  int negative = scan->text[start] == '-';
  uint64_t value = 0, most = (uint64_t)INT64_MAX + (negative ? 1 : 0);
  for (size_t i = start + (negative ? 1 : 0); i < scan->at; i++) {
    unsigned digit = scan->text[i] - '0';
    if (value > (most - digit) / 10) {
      scan->at = start;
      return fail(scan, "an integer of at most 64 bits");
    }
    value = value * 10 + digit;
  }
  return 1;
}

/* A fraction or a power: anything but what no double can hold. */
static int check_number(struct json_scan *scan, size_t start) {
  char copy[LONGEST_NUMBER + 1] = {0};
  size_t length = scan->at - start;
  if (length <= LONGEST_NUMBER) memcpy(copy, scan->text + start, length);
  if (length <= LONGEST_NUMBER && isfinite(strtod(copy, NULL))) return 1;
  scan->at = start;
  return fail(scan, length > LONGEST_NUMBER ? "a number of at most 400 characters" : "a number below 1.8e308");
}

static int scan_number(struct json_scan *scan) {
  size_t start = scan->at;
  if (peek(scan) == '-') scan->at++;
  size_t digits = scan->at;
  if (peek(scan) == '0')
    scan->at++;
  else if (!scan_digits(scan))
    return 0;
  size_t whole = scan->at;
  if (peek(scan) == '.') {
    scan->at++;
    if (!scan_digits(scan)) return 0;
  }
  if ((peek(scan) | 0x20) == 'e') {
    scan->at++;
    if (peek(scan) == '+' || peek(scan) == '-') scan->at++;
    if (!scan_digits(scan)) return 0;
  }
  if (scan->at > whole) return check_number(scan, start) && add_spot(scan, SPOT_NUMBER, start);
  return (whole - digits <= 15 || check_integer(scan, start)) && add_spot(scan, SPOT_INTEGER, start);
}

static int scan_literal(struct json_scan *scan, const char *literal, size_t size) {
  if (scan->length - scan->at < size || memcmp(scan->text + scan->at, literal, size) != 0) return fail(scan, "a value");
  scan->at += size;
  return 1;
}

/* A hash of a name, made of eight bytes at a time. Who makes two names of one hash only makes us compare them. */
static uint32_t hash_of(const char *name, size_t length) {
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

/* The bit of a name in the filter that rules nearly all names out at once. */
static uint64_t filter_bit(uint32_t hash) {
  return (uint64_t)1 << (hash >> 26);
}

/* What the name says of its value: 1 + the kind of secret, or 0. */
static int kind_of(const struct json_scan *scan, const char *name, size_t length, uint32_t hash) {
  if (!(scan->filter & filter_bit(hash))) return 0;
  const struct secret_name *known = secret_name_find(name, length, scan->uses);
  if (known) return 1 + (int)known->kind;
  for (const char *const *more = scan->more; more && *more; more++)
    if (strlen(*more) == length && memcmp(*more, name, length) == 0) return 1 + SECRET_VALUE;
  return 0;
}

/* The same for an escaped name; six bytes are the longest escape of one, and
 * no secret's name has more than 128. */
static int kind_of_escaped(const struct json_scan *scan, const char *name, size_t length) {
  char plain[6 * 128];
  if (length > sizeof plain) return 0;
  length = json_unescape(name, length, plain);
  return kind_of(scan, plain, length, hash_of(plain, length));
}

/* Compare the name with those before it in its object. Equal hashes, escapes and a great many names leave open
 * whether a name is there twice. */
static void note_hash(struct json_scan *scan, const struct json_level *level, uint32_t hash) {
  if (scan->escaped || scan->hash_count == JSON_HASHES) {
    scan->repeats = 1;
    return;
  }
  for (unsigned i = level->hash_from; i < scan->hash_count; i++)
    if (scan->hashes[i] == hash) scan->repeats = 1;
  scan->hashes[scan->hash_count++] = hash;
}

/* What there is to know of the name that was read last. */
static int note_name(struct json_scan *scan) {
  struct json_level *level = &scan->levels[scan->depth];
  struct json_name name = {scan->start, scan->end, level->number};
  if (scan->names && !buffer_append(scan->names, &name, sizeof name)) return fail(scan, NULL);
  level->key = (struct json_key){(uint32_t)scan->start, (uint32_t)scan->end};
  level->escaped = (uint8_t)scan->escaped;
  scan->members++;
  const char *text = (const char *)scan->text + scan->start;
  size_t length = scan->end - scan->start;
  uint32_t hash = hash_of(text, length);
  note_hash(scan, level, hash);
  scan->lift = scan->escaped ? kind_of_escaped(scan, text, length) : kind_of(scan, text, length, hash);
  return 1;
}

/* A member's name and its colon. */
static int scan_name(struct json_scan *scan) {
  skip_space(scan);
  if (peek(scan) != '"') return fail(scan, "a member's name in quotes");
  if (!scan_string(scan) || !note_name(scan)) return 0;
  skip_space(scan);
  if (peek(scan) != ':') return fail(scan, "':' after a member's name");
  scan->at++;
  return 1;
}

static int open_level(struct json_scan *scan, int is_object) {
  if (scan->depth == JSON_DEPTH) return fail(scan, "at most 64 levels of nesting");
  if (!is_object && !add_spot(scan, SPOT_ARRAY, scan->at)) return 0;
  if (!is_object) scan->entered++;
  struct json_level level = {
      .is_object = (uint8_t)is_object, .number = ++scan->opened, .hash_from = (uint16_t)scan->hash_count};
  scan->levels[++scan->depth] = level;
  if (scan->depth > scan->deepest) scan->deepest = scan->depth;
  scan->at++;
  scan->lift = 0;
  skip_space(scan);
  return 1;
}

static int close_level(struct json_scan *scan) {
  scan->hash_count = scan->levels[scan->depth--].hash_from;
  if (scan->entered > scan->depth) scan->entered = scan->depth;
  scan->at++;
  return 1;
}

/* Each of these reads the beginning of a value. 0: wrong; 1: the value is
 * complete; 2: another value has to follow. */
static int begin_object(struct json_scan *scan) {
  if (!open_level(scan, 1)) return 0;
  if (peek(scan) == '}') return close_level(scan);
  return scan_name(scan) ? 2 : 0;
}

static int begin_array(struct json_scan *scan) {
  if (!open_level(scan, 0)) return 0;
  return peek(scan) == ']' ? close_level(scan) : 2;
}

static int string_value(struct json_scan *scan) {
  size_t start = scan->at;
  int lift = scan->lift;
  if (!scan_string(scan)) return 0;
  if (!lift) return scan->every ? add_spot(scan, SPOT_TEXT, start) : 1;
  if (scan->at - start <= LONGEST_SECRET) return add_spot(scan, SPOT_SECRET, start);
  scan->at = start;
  return fail(scan, "a secret of at most 128 KiB");
}

static int begin_value(struct json_scan *scan) {
  skip_space(scan);
  if (++scan->values > MOST_VALUES) return fail(scan, "at most 400000 values");
  struct json_level *level = &scan->levels[scan->depth];
  if (!level->is_object) level->key.start++;
  unsigned char c = peek(scan);
  switch (c) {
  case '"':
    return string_value(scan);
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
    return c == '-' || is_digit(c) ? scan_number(scan) : fail(scan, "a value");
  }
}

/* What stands after a complete value; the same answers. */
static int end_value(struct json_scan *scan) {
  int is_object = scan->levels[scan->depth].is_object;
  skip_space(scan);
  unsigned char c = peek(scan);
  if (c == ',') {
    scan->at++;
    scan->lift = 0;
    return is_object && !scan_name(scan) ? 0 : 2;
  }
  if (c != (is_object ? '}' : ']')) return fail(scan, is_object ? "',' or '}'" : "',' or ']'");
  return close_level(scan);
}

static void fill_filter(struct json_scan *scan) {
  for (const struct secret_name *one = secret_names; one->name; one++)
    if (one->uses & scan->uses) scan->filter |= filter_bit(hash_of(one->name, strlen(one->name)));
  for (const char *const *more = scan->more; more && *more; more++)
    scan->filter |= filter_bit(hash_of(*more, strlen(*more)));
}

int json_scan(struct json_scan *scan) {
  fill_filter(scan);
  int state = 2;
  while (state == 2 || scan->depth > 0) {
    state = state == 2 ? begin_value(scan) : end_value(scan);
    if (!state) return 0;
  }
  skip_space(scan);
  return scan->at == scan->length ? 1 : fail(scan, "nothing after the value");
}

/* The escape at text: its character goes to out, the size of that to *size.
 * Returns how many bytes the escape takes. */
static size_t undo_escape(const char *text, size_t length, char *out, size_t *size) {
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
    size_t size = 1, taken = 1;
    if (text[i] == '\\')
      taken = undo_escape(text + i, length - i, out + filled, &size);
    else
      out[filled] = text[i];
    filled += size;
    i += taken;
  }
  return filled;
}
