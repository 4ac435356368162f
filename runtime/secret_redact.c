/* Masking secrets in text by value: the text is searched as it is, and again
 * with percent and with JSON escapes undone, when it has any. */
#include "hex.h"
#include "secret_internal.h"
#include "utf8.h"

#include <string.h>

/* One escape at text: what it stands for goes to out and its size to *size;
 * returns how many characters it takes, 0 when it is none. */
static size_t undo_percent(const char *text, size_t length, char out[4], size_t *size) {
  int value = *text == '%' ? hex_value(text + 1, length - 1, 2) : -1;
  if (value < 0) return 0;
  out[0] = (char)value;
  *size = 1;
  return 3;
}

static size_t undo_unicode(const char *text, size_t length, char out[4], size_t *size) {
  int code = hex_value(text + 2, length - 2, 4);
  if (code < 0) return 0;
  int low = -1;
  if (code >= 0xd800 && code < 0xdc00 && length >= 12 && text[6] == '\\' && text[7] == 'u')
    low = hex_value(text + 8, length - 8, 4);
  int pair = low >= 0xdc00 && low < 0xe000;
  if (pair) code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  *size = utf8_encode((uint32_t)code, out);
  return pair ? 12 : 6;
}

static size_t undo_json(const char *text, size_t length, char out[4], size_t *size) {
  static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  if (length < 2 || *text != '\\') return 0;
  if (text[1] == 'u') return undo_unicode(text, length, out, size);
  const char *letter = memchr(letters, text[1], sizeof letters - 1);
  if (!letter) return 0;
  out[0] = values[letter - letters];
  *size = 1;
  return 2;
}

/* One way of escaping: what each escape begins with, and how to undo it. */
struct escaping {
  char mark;
  size_t (*undo)(const char *text, size_t length, char out[4], size_t *size);
};

static const struct escaping escapings[] = {{'%', undo_percent}, {'\\', undo_json}};

/* A part of a text: an escape and what it stands for, or what lies between two escapes. */
struct part {
  size_t taken, size; /* characters in the text, and bytes it stands for */
  int escaped;
  char bytes[4]; /* of an escape */
};

static struct part part_at(const char *text, size_t length, const struct escaping *escaping) {
  struct part part = {.size = 1};
  part.taken = escaping->undo(text, length, part.bytes, &part.size);
  part.escaped = part.taken > 0;
  if (part.escaped) return part;
  const char *next = memchr(text + 1, escaping->mark, length - 1);
  part.taken = part.size = (size_t)((next ? next : text + length) - text);
  return part;
}

/* Push a buffer with the text's escapes undone, to be given back: it may hold secrets in clear. [-0, +1, e] */
static struct buffer *push_undone(lua_State *L, const char *text, size_t length, const struct escaping *escaping) {
  struct buffer *undone = buffer_borrow(L);
  for (size_t i = 0; i < length;) {
    struct part part = part_at(text + i, length - i, escaping);
    buffer_add(L, undone, part.escaped ? part.bytes : text + i, part.size);
    i += part.taken;
  }
  return undone;
}

/* Push where in the text each of its undone bytes starts. [-0, +1, m] */
static size_t *push_places(lua_State *L, const char *text, size_t length, const struct escaping *escaping) {
  size_t *places = lua_newuserdatauv(L, length * sizeof *places, 0), count = 0;
  for (size_t i = 0; i < length;) {
    struct part part = part_at(text + i, length - i, escaping);
    for (size_t k = 0; k < part.size; k++) places[count++] = i + (part.escaped ? 0 : k);
    i += part.taken;
  }
  return places;
}

/* Push a byte for each of the text's that is 1 where it is to be masked, when
 * there is none yet. [-0, +0|1, m] */
static char *mask_new(lua_State *L, char *mask, size_t length) {
  return mask ? mask : memset(lua_newuserdatauv(L, length, 0), 0, length);
}

static char *mask_text(lua_State *L, const char *text, size_t length, char *mask) {
  const struct secret_index *index = &secret_vault_get(L)->index;
  struct secret_hit hit = {0};
  while (secret_index_next(index, text, length, &hit)) {
    mask = mask_new(L, mask, length);
    memset(mask + hit.start, 1, hit.end - hit.start);
  }
  return mask;
}

/* Where in the text the undone bytes before `end` end. */
static size_t place_of_end(const size_t *places, size_t count, size_t end, size_t length) {
  while (end < count && places[end] == places[end - 1]) end++;
  return end < count ? places[end] : length;
}

/* The places are needed only when there is something to be masked, which is seldom. */
static char *mask_undone(lua_State *L, const char *text, size_t length, char *mask, const struct escaping *escaping) {
  const struct secret_index *index = &secret_vault_get(L)->index;
  const struct buffer *undone = push_undone(L, text, length, escaping);
  int at = lua_gettop(L);
  struct secret_hit hit = {0};
  size_t *places = NULL;
  while (secret_index_next(index, undone->data, undone->length, &hit)) {
    if (!places) places = push_places(L, text, length, escaping);
    mask = mask_new(L, mask, length);
    size_t start = places[hit.start];
    memset(mask + start, 1, place_of_end(places, undone->length, hit.end, length) - start);
  }
  buffer_give_back(L, at);
  return mask;
}

/* Push the text with each masked run as one [secret]. [-0, +1, m] */
static void push_masked(lua_State *L, const char *text, size_t length, const char *mask) {
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (size_t i = 0, start = 0; i < length; start = i) {
    while (i < length && mask[i] == mask[start]) i++;
    if (mask[start]) luaL_addstring(&out, "[secret]");
    if (!mask[start]) luaL_addlstring(&out, text + start, i - start);
  }
  luaL_pushresult(&out);
}

/* The mask of a text, or NULL when no secret is in it. [-0, +n, m] */
static char *find_mask(lua_State *L, const char *text, size_t length) {
  luaL_checkstack(L, 16, "redaction");
  char *mask = mask_text(L, text, length, NULL);
  for (size_t i = 0; i < sizeof escapings / sizeof *escapings; i++)
    if (memchr(text, escapings[i].mark, length)) mask = mask_undone(L, text, length, mask, &escapings[i]);
  return mask;
}

int secret_found(lua_State *L, const char *text, size_t length) {
  int top = lua_gettop(L);
  int found = find_mask(L, text, length) != NULL;
  lua_settop(L, top);
  return found;
}

void secret_redact(lua_State *L, const char *text, size_t length) {
  int top = lua_gettop(L);
  const char *mask = find_mask(L, text, length);
  if (mask) push_masked(L, text, length, mask);
  if (!mask) lua_pushlstring(L, text, length);
  lua_copy(L, -1, top + 1);
  lua_settop(L, top + 1);
}
