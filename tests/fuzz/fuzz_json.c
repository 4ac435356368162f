/* Any bytes as JSON: the scanner stays within them, accepts no more than the
 * decoder, and what was decoded comes back the same when it is encoded. */
#include "fuzz.h"
#include "json.h"
#include "json_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const secrets[] = {"s", "password", NULL};

static void check_unescape(const struct json_scan *scan, size_t start, size_t end) {
  char *out = malloc(end - start + 1);
  if (!out) abort();
  fuzz_expect(json_unescape((const char *)scan->text + start, end - start, out) <= end - start,
              "no longer than it was");
  free(out);
}

/* Values lie in order within the text, each in the arrays and objects that are spots before it; secrets are strings. */
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

static int scan_only(lua_State *L, const struct input *input) {
  struct json_scan scan = {.text = input->data, .length = input->size, .uses = NAMED_IN_JSON, .more = secrets};
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

/* Encode the value on top in clear; the text is in *out. */
static void encode(lua_State *L, struct buffer *out) {
  json_encode(L, lua_gettop(L), out, 1);
}

static int body(lua_State *L) {
  const struct input *input = lua_touserdata(L, 1);
  const struct json_rules rules = {.secrets = secrets};
  int accepted = scan_only(L, input);
  int decoded = json_decode(L, (const char *)input->data, input->size, &rules);
  if (!decoded) {
    const char *message = lua_tostring(L, -1);
    fuzz_expect(!accepted || strstr(message, "only once"), "what the scanner accepts to be decoded");
    return 0;
  }
  fuzz_expect(accepted, "what is decoded to be accepted by the scanner");
  struct buffer *first = buffer_new(L), *second;
  lua_insert(L, -2);
  encode(L, first);
  fuzz_expect(json_decode(L, first->data, first->length, &rules), "what we encode to be JSON");
  second = buffer_new(L);
  lua_insert(L, -2);
  encode(L, second);
  fuzz_expect(first->length == second->length && memcmp(first->data, second->data, first->length) == 0,
              "the same text for the same value");
  buffer_free(first);
  buffer_free(second);
  return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  fuzz_run(body, data, size);
  return 0;
}
