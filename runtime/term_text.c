/* Text for a terminal: which characters may be printed, and how many columns a text takes. */
#include "secret.h"
#include "term.h"
#include "utf8.h"

#include <locale.h>
#include <string.h>
#include <wchar.h>

#define WIDTHS "host.term.widths"

/* Return the length of an escape sequence of one of log.lua's styles (ESC [ 1 m) at text, else 0: no other sequence
 * is printed. */
static size_t style_sequence_length(const char *text, size_t left) {
  static const char *const styles[] = {"0", "1", "2", "31", "32", "33", "36"};
  for (size_t i = 0; i < sizeof styles / sizeof *styles; i++) {
    size_t size = strlen(styles[i]) + 3;
    if (size <= left && memcmp(text, "\033[", 2) == 0 && memcmp(text + 2, styles[i], size - 3) == 0 &&
        text[size - 1] == 'm')
      return size;
  }
  return 0;
}

/* Does the character set the reading direction (UAX #9)? In a name it would reorder the text beside it. */
static int sets_reading_direction(uint32_t point) {
  return point == 0x61c || point == 0x200e || point == 0x200f || (point >= 0x202a && point <= 0x202e) ||
         (point >= 0x2066 && point <= 0x2069);
}

/* Return the length of the character or style at text that may be printed; 0 when it would control the terminal or
 * set the reading direction. */
static size_t printable_character_length(const char *text, size_t left) {
  uint32_t point;
  if (*text == '\n' || *text == '\t') return 1;
  if (*text == '\r') return left > 1 && text[1] == '\n'; /* the end of a line in CSV */
  if (*text == 27) return style_sequence_length(text, left);
  size_t size = utf8_decode(text, left, &point);
  if (point < 0x20 || (point >= 0x7f && point < 0xa0)) return 0;
  return sets_reading_direction(point) ? 0 : size;
}

const char *term_text_push_printable(lua_State *L, const char *text, size_t length, size_t *shown) {
  secret_redact(L, text, length);
  const char *redacted = lua_tolstring(L, -1, &length);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (size_t i = 0, size; i < length; i += size ? size : 1) {
    size = printable_character_length(redacted + i, length - i);
    luaL_addlstring(&out, size ? redacted + i : "?", size ? size : 1);
  }
  luaL_pushresult(&out);
  lua_remove(L, -2);
  return lua_tolstring(L, -1, shown);
}

/* ---- columns ---- */

/* A locale in which libc's wcwidth knows all of Unicode. */
struct width_locale {
  locale_t locale; /* 0 when the system has none */
};

static int width_locale_close(lua_State *L) {
  struct width_locale *widths = luaL_checkudata(L, 1, WIDTHS);
  if (widths->locale) freelocale(widths->locale);
  widths->locale = (locale_t)0;
  return 0;
}

/* Return the length of a colour sequence (ESC [ 1;31 m) at text, which takes no column; 0 when there is none. */
static size_t color_sequence_length(const char *text, size_t left) {
  size_t size = 2;
  if (left < 3 || text[0] != 27 || text[1] != '[') return 0;
  while (size < left && ((text[size] >= '0' && text[size] <= '9') || text[size] == ';')) size++;
  return size < left && text[size] == 'm' ? size + 1 : 0;
}

/* Return the length of the character or colour at text, and its columns. Invalid UTF-8 and control characters take
 * one column, as they are printed as one character. */
static size_t measure_printed_character(const char *text, size_t left, int *columns) {
  uint32_t point;
  size_t size = (unsigned char)*text < 0x80 ? color_sequence_length(text, left) : 0;
  *columns = size ? 0 : 1;
  if (size || (unsigned char)*text < 0x80) return size ? size : 1;
  size = utf8_decode(text, left, &point);
  int width = size ? wcwidth((wchar_t)point) : 1;
  *columns = width < 0 ? 1 : width;
  return size ? size : 1;
}

/* Return how many bytes of the text fit into `most` columns; *columns becomes the columns that they take. */
static size_t fit_columns(const char *text, size_t length, lua_Integer most, lua_Integer *columns) {
  size_t bytes = 0;
  *columns = 0;
  while (bytes < length) {
    int width;
    size_t size = measure_printed_character(text + bytes, length - bytes, &width);
    if (*columns + width > most) break;
    *columns += width;
    bytes += size;
  }
  return bytes;
}

/* term.text_width(text, most?) -> columns, bytes */
static int term_text_width(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_Integer columns, most = luaL_optinteger(L, 2, LUA_MAXINTEGER);
  const struct width_locale *widths = lua_touserdata(L, lua_upvalueindex(1));
  locale_t before = widths->locale ? uselocale(widths->locale) : (locale_t)0;
  size_t bytes = fit_columns(text, length, most, &columns);
  if (before) uselocale(before);
  lua_pushinteger(L, columns);
  lua_pushinteger(L, (lua_Integer)bytes);
  return 2;
}

void term_text_push_width_function(lua_State *L) {
  static const luaL_Reg none[] = {{NULL, NULL}};
  lib_type(L, WIDTHS, none, width_locale_close);
  struct width_locale *widths = lib_new(L, sizeof *widths, WIDTHS);
  widths->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
  lua_pushcclosure(L, term_text_width, 1);
}
