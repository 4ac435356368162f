/* Fuzz JSON: the scanner stays within the text, accepts no more than the decoder, and a decoded value is encoded to
 * the same text twice. */
#include "fuzz.h"
#include "json.h"
#include "json_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const secrets[] = {"s", "password", NULL};

/* Check that decoding the escapes of a string does not lengthen it. */
static void check_unescape(const struct json_scan *scan, size_t start, size_t end) {
  char *out = malloc(end - start + 1);
  if (!out) abort();
  fuzz_expect(json_unescape((const char *)scan->text + start, end - start, out) <= end - start,
              "no longer than it was");
  free(out);
}

/* Check that the spots are in order and within the text, that the arrays and objects around each are spots before it,
 * and that each secret is a string. */
static void check_spots(const struct json_scan *scan) {
  const struct json_spot *spots = (const void *)scan->spots->data;
  size_t count = scan->spots->length / sizeof *spots, before = 0;
  unsigned deepest = 0;
  for (size_t i = 0; i < count; i++) {
    fuzz_expect(spots[i].depth <= deepest, "the way to a spot");
    fuzz_expect(spots[i].key.end <= scan->length, "names within the text");
    if (spots[i].key.end) check_unescape(scan, spots[i].key.start, spots[i].key.end);
    deepest = spots[i].depth + (spots[i].kind <= SPOT_ARRAY ? 1u : 0u);
    if (spots[i].kind <= SPOT_ARRAY) continue;
    fuzz_expect(before <= spots[i].start && spots[i].start < spots[i].end, "spots in order");
    fuzz_expect(spots[i].end <= scan->length, "spots within the text");
    before = spots[i].end;
    if (spots[i].kind == SPOT_SECRET) check_unescape(scan, spots[i].start + 1, spots[i].end - 1);
  }
}

static int scan_fuzzed_text(lua_State *L, const struct input *input) {
  struct json_scan scan = {.text = input->data, .length = input->size, .uses = NAMED_IN_JSON, .more_names = secrets};
  scan.spots = buffer_new(L);
  scan.names = buffer_new(L);
  int accepted = json_scan(&scan);
  fuzz_expect(scan.at <= input->size, "to stop within the text");
  fuzz_expect(accepted || scan.expected, "a reason");
  fuzz_expect(scan.deepest <= JSON_DEPTH, "no deeper than 64 levels");
  check_spots(&scan);
  buffer_free(scan.spots);
  buffer_free(scan.names);
  return accepted;
}

/* Encode the value on top, with secrets in clear, to out. */
static void encode_fuzzed_value(lua_State *L, struct buffer *out) {
  json_encode(L, lua_gettop(L), out, 1);
}

static int decode_fuzzed_text(lua_State *L) {
  const struct input *input = lua_touserdata(L, 1);
  const struct json_rules rules = {.secrets = secrets};
  int accepted = scan_fuzzed_text(L, input);
  int decoded = json_decode(L, (const char *)input->data, input->size, &rules);
  if (!decoded) {
    const char *message = lua_tostring(L, -1);
    fuzz_expect(!accepted || strstr(message, "only once"), "what the scanner accepts to be decoded");
    return 0;
  }
  fuzz_expect(accepted, "what is decoded to be accepted by the scanner");
  struct buffer *first = buffer_new(L), *second;
  lua_insert(L, -2);
  encode_fuzzed_value(L, first);
  fuzz_expect(json_decode(L, first->data, first->length, &rules), "what we encode to be JSON");
  second = buffer_new(L);
  lua_insert(L, -2);
  encode_fuzzed_value(L, second);
  fuzz_expect(first->length == second->length && memcmp(first->data, second->data, first->length) == 0,
              "the same text for the same value");
  buffer_free(first);
  buffer_free(second);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_run(decode_fuzzed_text, data, size);
  return 0;
}
