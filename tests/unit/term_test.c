/* host.term's widths, compared with libc's for all of Unicode. */
#include "lib.h"
#include "utf8.h"

#include <locale.h>
#include <lualib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <wchar.h>

#include <cmocka.h>

int luaopen_host_term(lua_State *L);

/* Return term.text_width of a text, with the module at index 1. */
static int text_width(lua_State *L, const char *text, size_t length) {
  lua_getfield(L, 1, "text_width");
  lua_pushlstring(L, text, length);
  lua_call(L, 1, 1);
  int width = (int)lua_tointeger(L, -1);
  lua_settop(L, 1);
  return width;
}

static void widths_are_those_of_libc(void **state) {
  lua_State *L = luaL_newstate();
  (void)state;
  luaL_requiref(L, "host.term", luaopen_host_term, 0);
  assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
  int wide = 0, none = 0;
  for (uint32_t point = 0; point <= 0x10ffff; point++) {
    char text[4];
    if (point >= 0xd800 && point < 0xe000) continue;
    int expected = wcwidth((wchar_t)point);
    int width = text_width(L, text, utf8_encode(point, text));
    if (!point || expected < 0) expected = 1; /* a control character is printed as "?" */
    if (width != expected) fail_msg("U+%04X takes %d columns, not %d", point, width, expected);
    wide += width == 2;
    none += width == 0;
  }
  assert_true(wide > 100000 && none > 1000); /* the locale was there */
  lua_close(L);
}

static void widths_do_not_need_the_locale_of_the_process(void **state) {
  lua_State *L = luaL_newstate();
  (void)state;
  setlocale(LC_CTYPE, "C");
  luaL_requiref(L, "host.term", luaopen_host_term, 0);
  assert_int_equal(text_width(L, "\xe2\x9c\x85", 3), 2);
  assert_int_equal(wcwidth(0x2705), -1); /* the locale is restored */
  lua_close(L);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(widths_are_those_of_libc),
      cmocka_unit_test(widths_do_not_need_the_locale_of_the_process),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
