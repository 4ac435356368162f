/* Hexadecimal digits (hex.c), UTF-8 (utf8.c) and lists of texts (buffer.c). */
#include "buffer.h"
#include "hex.h"
#include "utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void hex_goes_both_ways(void **state) {
  unsigned char all[256], back[256];
  char text[513];
  (void)state;
  for (size_t i = 0; i < sizeof all; i++) all[i] = (unsigned char)i;
  assert_memory_equal(hex_text(all, sizeof all, text), "000102", 6);
  assert_string_equal(text + 506, "fdfeff");
  assert_true(hex_decode(text, sizeof all, back));
  assert_memory_equal(all, back, sizeof all);
  text[7] = 'g';
  assert_false(hex_decode(text, sizeof all, back));
}

static void hex_takes_either_case_and_nothing_else(void **state) {
  (void)state;
  for (int c = 0; c < 256; c++) {
    const char *at = c ? strchr("0123456789abcdefABCDEF", c) : NULL;
    long place = at ? at - "0123456789abcdefABCDEF" : -1;
    assert_int_equal(hex_digit((char)c), place >= 16 ? place - 6 : place);
  }
  assert_int_equal(hex_value("00eF", 4, 4), 0xef);
  assert_int_equal(hex_value("00e", 3, 4), -1);
  assert_int_equal(hex_value("0x1f", 4, 4), -1);
}

static void a_uuid_says_its_version(void **state) {
  unsigned char bytes[16];
  char text[37];
  (void)state;
  memset(bytes, 0xff, sizeof bytes);
  assert_string_equal(hex_uuid(bytes, text), "ffffffff-ffff-4fff-bfff-ffffffffffff");
  memset(bytes, 0, sizeof bytes);
  assert_string_equal(hex_uuid(bytes, text), "00000000-0000-4000-8000-000000000000");
}

static void utf8_goes_both_ways(void **state) {
  char text[4];
  uint32_t back;
  (void)state;
  for (uint32_t point = 0; point <= 0x10ffff; point++) {
    size_t size = utf8_encode(point, text);
    int is_surrogate = point >= 0xd800 && point < 0xe000;
    assert_int_equal(utf8_decode(text, size, &back), is_surrogate ? 0 : size);
    if (!is_surrogate) assert_int_equal(back, point);
    if (size > 1) assert_int_equal(utf8_size(text, size - 1), 0);
  }
}

static void utf8_knows_what_is_none(void **state) {
  static const char *const bad[] = {"\x80",
                                    "\xc0\x80",
                                    "\xc1\xbf",
                                    "\xe0\x9f\xbf",
                                    "\xed\xa0\x80",
                                    "\xf0\x8f\xbf\xbf",
                                    "\xf4\x90\x80\x80",
                                    "\xf5\x80\x80\x80",
                                    "\xff",
                                    "\xe2\x28\xa1",
                                    "\xc3("};
  (void)state;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(utf8_size(bad[i], strlen(bad[i])), 0);
  assert_int_equal(utf8_size("a", 0), 0);
}

/* Lack of memory leaves a text without its NUL: the byte after the buffer's end is not read. */
static void texts_end_within_their_buffer(void **state) {
  struct buffer texts = {0};
  (void)state;
  assert_null(buffer_next_text(&texts, NULL));
  assert_true(buffer_append(&texts, "one\0two", 8));
  assert_true(buffer_append_string(&texts, "half"));
  const char *first = buffer_next_text(&texts, NULL);
  assert_string_equal(first, "one");
  const char *second = buffer_next_text(&texts, first);
  assert_string_equal(second, "two");
  assert_null(buffer_next_text(&texts, second));
  buffer_free(&texts);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(texts_end_within_their_buffer),
      cmocka_unit_test(hex_goes_both_ways),
      cmocka_unit_test(hex_takes_either_case_and_nothing_else),
      cmocka_unit_test(a_uuid_says_its_version),
      cmocka_unit_test(utf8_goes_both_ways),
      cmocka_unit_test(utf8_knows_what_is_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
