/* What text is on a terminal: what of it may be shown, and how many columns it takes. */
#include "secret.h"
#include "term.h"
#include "utf8.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

#define WIDTHS "host.term.widths"

/* Length of a sequence that sets one of log.lua's styles (ESC [ 1 m), else 0: no other can hide what it stands in. */
static size_t styling(const char *text, size_t left) {
  static const char *const styles[] = {"0", "1", "2", "31", "32", "33", "36"};
  for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
    size_t size = strlen(styles[i]) + 3;
    if (size <= left && memcmp(text, "\033[", 2) == 0 && memcmp(text + 2, styles[i], size - 3) == 0 &&
        text[size - 1] == 'm')
      return size;
  }
  return 0;
}

/* Is it one of Unicode's marks for the direction of reading (UAX #9)? One in a name turns round what is beside it. */
static int sets_direction(uint32_t point) {
  return point == 0x61c || point == 0x200e || point == 0x200f || (point >= 0x202a && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069);
}

/* How many bytes at text a terminal only shows; 0 when they would steer it
 * (control characters) or turn the reading direction round. */
static size_t readable(const char *text, size_t left) {
  uint32_t point;
  if (*text == '\n' || *text == '\t') return 1;
  if (*text == '\r') return left > 1 && text[1] == '\n'; /* as CSV ends its lines */
  if (*text == 27) return styling(text, left);
  size_t size = utf8_decode(text, left, &point);
  if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return 0;
  return sets_direction(point) ? 0 : size;
}

const char *term_push_shown(lua_State *L, const char *text, size_t length, size_t *shown) {
  secret_redact(L, text, length);
  const char *redacted = lua_tolstring(L, -1, &length);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (size_t i = 0, size; i < length; i += size ? size : 1) {
    size = readable(redacted + i, length - i);
    luaL_addlstring(&out, size ? redacted + i : "?", size ? size : 1);
  }
  luaL_pushresult(&out);
  lua_remove(L, -2);
  return lua_tolstring(L, -1, shown);
}

/* ---- columns ---- */

/* A locale in which libc's wcwidth knows all of Unicode. */
struct widths {
  locale_t locale; /* 0 where the system has none */
};

static int widths_close(lua_State *L) {
  struct widths *widths = luaL_checkudata(L, 1, WIDTHS);
  if (widths->locale) freelocale(widths->locale);
  widths->locale = (locale_t)0;
  return 0;
}

/* Bytes of the colour (ESC [ 1;31 m) at text, which takes no column; 0 when there is none. */
static size_t color_size(const char *text, size_t left) {
  size_t size = 2;
  if (left < 3 || text[0] != 27 || text[1] != '[') return 0;
  while (size < left && ((text[size] >= '0' && text[size] <= '9') || text[size] == ';')) size++;
  return size < left && text[size] == 'm' ? size + 1 : 0;
}

/* The size of the character or colour at text, and its columns. What is no UTF-8, and what would steer
 * the terminal, is shown as one character. */
static size_t measure(const char *text, size_t left, int *columns) {
  uint32_t point;
  size_t size = (unsigned char)*text < 0x80 ? color_size(text, left) : 0;
  *columns = size ? 0 : 1;
  if (size || (unsigned char)*text < 0x80) return size ? size : 1;
  size = utf8_decode(text, left, &point);
  int width = size ? wcwidth((wchar_t)point) : 1;
  *columns = width < 0 ? 1 : width;
  return size ? size : 1;
}

/* How many bytes of the text fit into so many columns; *columns becomes what they take. */
static size_t fit(const char *text, size_t length, lua_Integer most, lua_Integer *columns) {
  size_t at = 0;
  *columns = 0;
  while (at < length) {
    int width;
    size_t size = measure(text + at, length - at, &width);
    if (*columns + width > most) break;
    *columns += width;
    at += size;
  }
  return at;
}

/* term.text_width(text, most?) -> columns, bytes */
static int text_width(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_Integer columns, most = luaL_optinteger(L, 2, LUA_MAXINTEGER);
  const struct widths *widths = lua_touserdata(L, lua_upvalueindex(1));
  locale_t before = widths->locale ? uselocale(widths->locale) : (locale_t)0;
  size_t bytes = fit(text, length, most, &columns);
  if (before) uselocale(before);
  lua_pushinteger(L, columns);
  lua_pushinteger(L, (lua_Integer)bytes);
  return 2;
}

void term_push_text_width(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  lib_type(L, WIDTHS, none, widths_close);
  struct widths *widths = lib_new(L, sizeof *widths, WIDTHS);
  widths->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  lua_pushcclosure(L, text_width, 1);
}
