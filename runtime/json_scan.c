/* A strict JSON scanner: one pass, no recursion, no copies. See json_internal.h. */
#include "hex.h"
#include "json_internal.h"
#include "utf8.h"

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

static void skip_space(struct json_scan *scan) {
  for (unsigned char c = peek(scan); c == ' ' || c == '\n' || c == '\r' || c == '\t'; c = peek(scan)) scan->at++;
}

static int add_spot(struct json_scan *scan, enum json_spot_kind kind, size_t start) {
  enum secret_kind secret = scan->lift ? (enum secret_kind)(scan->lift - 1) : SECRET_CREDENTIAL;
  struct json_spot spot = {kind, secret, start, scan->at};
  return buffer_append(scan->spots, &spot, sizeof spot) ? 1 : fail(scan, NULL);
}

/* Does one of these eight bytes end a run of plain ASCII in a string? */
static int is_special(uint64_t bytes) {
  uint64_t quote = bytes ^ EACH_BYTE('"'), escape = bytes ^ EACH_BYTE('\\');
  uint64_t found = (quote - EACH_BYTE(1)) | (escape - EACH_BYTE(1)) | (bytes - EACH_BYTE(0x20)) | bytes;
  return (found & EACH_BYTE(0x80)) != 0;
}

static void skip_plain(struct json_scan *scan) {
  uint64_t bytes;
  while (scan->at + sizeof bytes <= scan->length) {
    memcpy(&bytes, scan->text + scan->at, sizeof bytes);
    if (is_special(bytes)) break;
    scan->at += sizeof bytes;
  }
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

/* An integer of many digits, which is kept exact or refused. */
static int long_integer(struct json_scan *scan, size_t start) {
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
  return add_spot(scan, SPOT_INTEGER, start);
}

/* A fraction or a power: anything but what no double can hold. */
static int long_number(struct json_scan *scan, size_t start) {
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
  if (scan->at == whole) return whole - digits > 15 ? long_integer(scan, start) : 1;
  return long_number(scan, start);
}

static int scan_literal(struct json_scan *scan, const char *literal, size_t size) {
  if (scan->length - scan->at < size || memcmp(scan->text + scan->at, literal, size) != 0) return fail(scan, "a value");
  scan->at += size;
  return 1;
}

/* The bit of a name in the filter that rules nearly all names out at once. */
static uint64_t name_bit(const char *name, size_t length) {
  return (uint64_t)1 << ((length * 5 + (unsigned char)name[0] * 11 + (unsigned char)name[length - 1]) & 63);
}

/* What the name says of its value: 1 + the kind of secret, or 0. */
static int kind_of(const struct json_scan *scan, const char *name, size_t length) {
  if (!length || !(scan->filter & name_bit(name, length))) return 0;
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
  return length <= sizeof plain ? kind_of(scan, plain, json_unescape(name, length, plain)) : 0;
}

/* The same for the name that was read last. */
static int kind_of_last(const struct json_scan *scan) {
  const char *name = (const char *)scan->text + scan->start;
  size_t length = scan->end - scan->start;
  return scan->escaped ? kind_of_escaped(scan, name, length) : kind_of(scan, name, length);
}

/* A member's name and its colon. */
static int scan_name(struct json_scan *scan) {
  skip_space(scan);
  if (peek(scan) != '"') return fail(scan, "a member's name in quotes");
  if (!scan_string(scan)) return 0;
  struct json_name name = {scan->start, scan->end, scan->open[scan->depth - 1]};
  if (scan->names && !buffer_append(scan->names, &name, sizeof name)) return fail(scan, NULL);
  scan->members++;
  scan->lift = kind_of_last(scan);
  skip_space(scan);
  if (peek(scan) != ':') return fail(scan, "':' after a member's name");
  scan->at++;
  return 1;
}

static int open_level(struct json_scan *scan, int is_object) {
  if (scan->depth == JSON_DEPTH) return fail(scan, "at most 64 levels of nesting");
  uint64_t bit = (uint64_t)1 << scan->depth;
  scan->objects = is_object ? scan->objects | bit : scan->objects & ~bit;
  scan->open[scan->depth++] = ++scan->opened;
  if (scan->depth > scan->deepest) scan->deepest = scan->depth;
  scan->at++;
  scan->lift = 0;
  skip_space(scan);
  return 1;
}

/* Each of these reads the beginning of a value. 0: wrong; 1: the value is
 * complete; 2: another value has to follow. */
static int begin_object(struct json_scan *scan) {
  if (!open_level(scan, 1)) return 0;
  if (peek(scan) != '}') return scan_name(scan) ? 2 : 0;
  scan->at++;
  scan->depth--;
  return 1;
}

static int begin_array(struct json_scan *scan) {
  size_t start = scan->at;
  if (!open_level(scan, 0)) return 0;
  if (peek(scan) != ']') return 2;
  scan->at++;
  scan->depth--;
  return add_spot(scan, SPOT_EMPTY_ARRAY, start);
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
  int is_object = scan->objects >> (scan->depth - 1) & 1;
  skip_space(scan);
  unsigned char c = peek(scan);
  if (c == ',') {
    scan->at++;
    scan->lift = 0;
    return is_object && !scan_name(scan) ? 0 : 2;
  }
  if (c != (is_object ? '}' : ']')) return fail(scan, is_object ? "',' or '}'" : "',' or ']'");
  scan->at++;
  scan->depth--;
  return 1;
}

static void fill_filter(struct json_scan *scan) {
  for (const struct secret_name *one = secret_names; one->name; one++)
    if (one->uses & scan->uses) scan->filter |= name_bit(one->name, strlen(one->name));
  for (const char *const *more = scan->more; more && *more; more++)
    if (**more) scan->filter |= name_bit(*more, strlen(*more));
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
