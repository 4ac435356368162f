/* A strict JSON scanner: one pass, no recursion, no copies. See json_internal.h. */
#include "hex.h"
#include "json_internal.h"
#include "utf8.h"

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

static void skip_whitespace(struct json_scan *scan) {
  for (unsigned char c = peek_byte(scan); c == ' ' || c == '\n' || c == '\r' || c == '\t'; c = peek_byte(scan))
    scan->at++;
}

static int append_spot(struct json_scan *scan, enum json_spot_kind kind, size_t start) {
  enum secret_kind secret = scan->secret_of_next ? (enum secret_kind)(scan->secret_of_next - 1) : SECRET_CREDENTIAL;
  struct json_spot spot = {kind, secret, start, scan->at};
  return buffer_append(scan->spots, &spot, sizeof spot) ? 1 : fail_scan(scan, NULL);
}

/* Does one of these eight bytes end a run of plain ASCII in a string? */
static int contains_special(uint64_t bytes) {
  uint64_t quote = bytes ^ EACH_BYTE('"'), escape = bytes ^ EACH_BYTE('\\');
  uint64_t found = (quote - EACH_BYTE(1)) | (escape - EACH_BYTE(1)) | (bytes - EACH_BYTE(0x20)) | bytes;
  return (found & EACH_BYTE(0x80)) != 0;
}

static void skip_plain_ascii(struct json_scan *scan) {
  uint64_t bytes;
  while (scan->at + sizeof bytes <= scan->length) {
    memcpy(&bytes, scan->text + scan->at, sizeof bytes);
    if (contains_special(bytes)) break;
    scan->at += sizeof bytes;
  }
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

/* Scan an integer of more than 15 digits: it becomes a spot, or is refused. */
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
  return append_spot(scan, SPOT_INTEGER, start);
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
  size_t whole = scan->at;
  if (peek_byte(scan) == '.') {
    scan->at++;
    if (!scan_digits(scan)) return 0;
  }
  if ((peek_byte(scan) | 0x20) == 'e') {
    scan->at++;
    if (peek_byte(scan) == '+' || peek_byte(scan) == '-') scan->at++;
    if (!scan_digits(scan)) return 0;
  }
  if (scan->at == whole) return whole - digits > 15 ? check_long_integer(scan, start) : 1;
  return check_float(scan, start);
}

static int scan_literal(struct json_scan *scan, const char *literal, size_t size) {
  if (scan->length - scan->at < size || memcmp(scan->text + scan->at, literal, size) != 0)
    return fail_scan(scan, "a value");
  scan->at += size;
  return 1;
}

/* Return the bit of a name in the filter, which excludes nearly all other names at once. */
static uint64_t name_filter_bit(const char *name, size_t length) {
  return (uint64_t)1 << ((length * 5 + (unsigned char)name[0] * 11 + (unsigned char)name[length - 1]) & 63);
}

/* Return 1 + the kind of secret that a member of this name has, or 0. */
static int secret_kind_of_name(const struct json_scan *scan, const char *name, size_t length) {
  if (!length || !(scan->filter & name_filter_bit(name, length))) return 0;
  const struct secret_name *known = secret_name_find(name, length, scan->uses);
  if (known) return 1 + (int)known->kind;
  for (const char *const *more = scan->more_names; more && *more; more++)
    if (strlen(*more) == length && memcmp(*more, name, length) == 0) return 1 + SECRET_VALUE;
  return 0;
}

/* The same for a name with escapes. A name of a secret has at most 128 bytes, and an escape at most six. */
static int secret_kind_of_escaped_name(const struct json_scan *scan, const char *name, size_t length) {
  char plain[6 * 128];
  return length <= sizeof plain ? secret_kind_of_name(scan, plain, json_unescape(name, length, plain)) : 0;
}

/* The same for the last string that was scanned. */
static int secret_kind_of_last_name(const struct json_scan *scan) {
  const char *name = (const char *)scan->text + scan->start;
  size_t length = scan->end - scan->start;
  return scan->escaped ? secret_kind_of_escaped_name(scan, name, length) : secret_kind_of_name(scan, name, length);
}

/* Scan the name of a member and its colon. */
static int scan_member_name(struct json_scan *scan) {
  skip_whitespace(scan);
  if (peek_byte(scan) != '"') return fail_scan(scan, "a member's name in quotes");
  if (!scan_string(scan)) return 0;
  struct json_name name = {scan->start, scan->end, scan->object_numbers[scan->depth - 1]};
  if (scan->names && !buffer_append(scan->names, &name, sizeof name)) return fail_scan(scan, NULL);
  scan->members++;
  scan->secret_of_next = secret_kind_of_last_name(scan);
  skip_whitespace(scan);
  if (peek_byte(scan) != ':') return fail_scan(scan, "':' after a member's name");
  scan->at++;
  return 1;
}

static int enter_scan_level(struct json_scan *scan, int is_object) {
  if (scan->depth == JSON_DEPTH) return fail_scan(scan, "at most 64 levels of nesting");
  uint64_t bit = (uint64_t)1 << scan->depth;
  scan->objects = is_object ? scan->objects | bit : scan->objects & ~bit;
  scan->object_numbers[scan->depth++] = ++scan->object_count;
  if (scan->depth > scan->deepest) scan->deepest = scan->depth;
  scan->at++;
  scan->secret_of_next = 0;
  skip_whitespace(scan);
  return 1;
}

/* The functions begin_… scan the beginning of a value. They return 0: wrong; 1: the value is complete; 2: another
 * value has to follow. */
static int begin_object(struct json_scan *scan) {
  if (!enter_scan_level(scan, 1)) return 0;
  if (peek_byte(scan) != '}') return scan_member_name(scan) ? 2 : 0;
  scan->at++;
  scan->depth--;
  return 1;
}

static int begin_array(struct json_scan *scan) {
  size_t start = scan->at;
  if (!enter_scan_level(scan, 0)) return 0;
  if (peek_byte(scan) != ']') return 2;
  scan->at++;
  scan->depth--;
  return append_spot(scan, SPOT_EMPTY_ARRAY, start);
}

static int begin_string(struct json_scan *scan) {
  size_t start = scan->at;
  int secret = scan->secret_of_next;
  if (!scan_string(scan)) return 0;
  if (!secret) return scan->all_strings ? append_spot(scan, SPOT_TEXT, start) : 1;
  if (scan->at - start <= MAX_SECRET) return append_spot(scan, SPOT_SECRET, start);
  scan->at = start;
  return fail_scan(scan, "a secret of at most 128 KiB");
}

static int begin_value(struct json_scan *scan) {
  skip_whitespace(scan);
  if (++scan->values > MAX_VALUES) return fail_scan(scan, "at most 400000 values");
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
  int is_object = scan->objects >> (scan->depth - 1) & 1;
  skip_whitespace(scan);
  unsigned char c = peek_byte(scan);
  if (c == ',') {
    scan->at++;
    scan->secret_of_next = 0;
    return is_object && !scan_member_name(scan) ? 0 : 2;
  }
  if (c != (is_object ? '}' : ']')) return fail_scan(scan, is_object ? "',' or '}'" : "',' or ']'");
  scan->at++;
  scan->depth--;
  return 1;
}

static void fill_name_filter(struct json_scan *scan) {
  for (const struct secret_name *name = secret_names; name->name; name++)
    if (name->uses & scan->uses) scan->filter |= name_filter_bit(name->name, strlen(name->name));
  for (const char *const *more = scan->more_names; more && *more; more++)
    if (**more) scan->filter |= name_filter_bit(*more, strlen(*more));
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
static size_t decode_escape(const char *text, size_t length, char *out, size_t *size) {
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
  size_t size_so_far = 0;
  for (size_t i = 0; i < length;) {
    size_t size = 1, taken = 1;
    if (text[i] == '\\')
      taken = decode_escape(text + i, length - i, out + size_so_far, &size);
    else
      out[size_so_far] = text[i];
    size_so_far += size;
    i += taken;
  }
  return size_so_far;
}
