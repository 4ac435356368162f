/* Mask secrets in a text by value: the text is searched as it is, and again with percent and JSON escapes decoded,
 * when it has any. */
#include "hex.h"
#include "secret_internal.h"
#include "utf8.h"

#include <string.h>

/* Decode a percent escape at text to out, and its size to *size; returns the length of the escape, 0 when there is
 * none. */
static size_t decode_percent_escape(const char *text, size_t length, char out[4], size_t *size) {
  int value = *text == '%' ? hex_value(text + 1, length - 1, 2) : -1;
  if (value < 0) return 0;
  out[0] = (char)value;
  *size = 1;
  return 3;
}

static size_t decode_unicode_escape(const char *text, size_t length, char out[4], size_t *size) {
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

static size_t decode_json_escape(const char *text, size_t length, char out[4], size_t *size) {
  static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
  if (length < 2 || *text != '\\') return 0;
  if (text[1] == 'u') return decode_unicode_escape(text, length, out, size);
  const char *letter = memchr(letters, text[1], sizeof letters - 1);
  if (!letter) return 0;
  out[0] = values[letter - letters];
  *size = 1;
  return 2;
}

/* A way of escaping: the first character of each escape, and the function that decodes one. */
struct escaping {
  char mark;
  size_t (*decode)(const char *text, size_t length, char out[4], size_t *size);
};

static const struct escaping escapings[] = {{'%', decode_percent_escape}, {'\\', decode_json_escape}};

/* A part of a text: one escape, or the characters between two escapes. */
struct escaped_part {
  size_t text_length, size; /* length in the text, and of the decoded bytes */
  int escaped;
  char bytes[4]; /* decoded bytes of an escape */
};

static struct escaped_part escaped_part_at(const char *text, size_t length, const struct escaping *escaping) {
  struct escaped_part part = {.size = 1};
  part.text_length = escaping->decode(text, length, part.bytes, &part.size);
  part.escaped = part.text_length > 0;
  if (part.escaped) return part;
  const char *next = memchr(text + 1, escaping->mark, length - 1);
  part.text_length = part.size = (size_t)((next ? next : text + length) - text);
  return part;
}

/* Push a borrowed buffer with the text's escapes decoded; it may contain secrets in clear. [-0, +1, e] */
static struct buffer *push_unescaped_text(lua_State *L, const char *text, size_t length,
                                          const struct escaping *escaping) {
  struct buffer *decoded = buffer_borrow(L);
  for (size_t i = 0; i < length;) {
    struct escaped_part part = escaped_part_at(text + i, length - i, escaping);
    buffer_add(L, decoded, part.escaped ? part.bytes : text + i, part.size);
    i += part.text_length;
  }
  return decoded;
}

/* Push an array: for each decoded byte, where it begins in the text. [-0, +1, m] */
static size_t *push_unescaped_offsets(lua_State *L, const char *text, size_t length, const struct escaping *escaping) {
  size_t *offsets = lua_newuserdatauv(L, length * sizeof *offsets, 0), count = 0;
  for (size_t i = 0; i < length;) {
    struct escaped_part part = escaped_part_at(text + i, length - i, escaping);
    for (size_t k = 0; k < part.size; k++) offsets[count++] = i + (part.escaped ? 0 : k);
    i += part.text_length;
  }
  return offsets;
}

/* Push a mask with a byte for each byte of the text, which is 1 where it is masked; nothing when there is a mask
 * already. [-0, +0|1, m] */
static char *get_or_push_redaction_mask(lua_State *L, char *mask, size_t length) {
  return mask ? mask : memset(lua_newuserdatauv(L, length, 0), 0, length);
}

/* Mask the secrets in the text as it is. */
static char *redact_plain_text(lua_State *L, const char *text, size_t length, char *mask) {
  const struct secret_index *index = &secret_vault_get(L)->index;
  struct secret_hit hit = {0};
  while (secret_index_next(index, text, length, &hit)) {
    mask = get_or_push_redaction_mask(L, mask, length);
    memset(mask + hit.start, 1, hit.end - hit.start);
  }
  return mask;
}

/* Return where in the text the decoded bytes before `end` end. */
static size_t unescaped_end_offset(const size_t *offsets, size_t count, size_t end, size_t length) {
  while (end < count && offsets[end] == offsets[end - 1]) end++;
  return end < count ? offsets[end] : length;
}

/* Mask the secrets in the decoded text. The offsets are computed only when there is a secret, which is rare. */
static char *redact_unescaped_text(lua_State *L, const char *text, size_t length, char *mask,
                                   const struct escaping *escaping) {
  const struct secret_index *index = &secret_vault_get(L)->index;
  const struct buffer *decoded = push_unescaped_text(L, text, length, escaping);
  int at = lua_gettop(L);
  struct secret_hit hit = {0};
  size_t *offsets = NULL;
  while (secret_index_next(index, decoded->data, decoded->length, &hit)) {
    if (!offsets) offsets = push_unescaped_offsets(L, text, length, escaping);
    mask = get_or_push_redaction_mask(L, mask, length);
    size_t start = offsets[hit.start];
    memset(mask + start, 1, unescaped_end_offset(offsets, decoded->length, hit.end, length) - start);
  }
  buffer_give_back(L, at);
  return mask;
}

/* Push the text with each masked run replaced by one [secret]. [-0, +1, m] */
static void push_redacted(lua_State *L, const char *text, size_t length, const char *mask) {
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  for (size_t i = 0, start = 0; i < length; start = i) {
    while (i < length && mask[i] == mask[start]) i++;
    if (mask[start]) luaL_addstring(&out, "[secret]");
    if (!mask[start]) luaL_addlstring(&out, text + start, i - start);
  }
  luaL_pushresult(&out);
}

/* Return the mask of a text, or NULL when it contains no secret. [-0, +n, m] */
static char *compute_redaction_mask(lua_State *L, const char *text, size_t length) {
  luaL_checkstack(L, 16, "redaction");
  char *mask = redact_plain_text(L, text, length, NULL);
  for (size_t i = 0; i < sizeof escapings / sizeof *escapings; i++)
    if (memchr(text, escapings[i].mark, length)) mask = redact_unescaped_text(L, text, length, mask, &escapings[i]);
  return mask;
}

int secret_redact_finds(lua_State *L, const char *text, size_t length) {
  int top = lua_gettop(L);
  int found = compute_redaction_mask(L, text, length) != NULL;
  lua_settop(L, top);
  return found;
}

void secret_redact(lua_State *L, const char *text, size_t length) {
  int top = lua_gettop(L);
  const char *mask = compute_redaction_mask(L, text, length);
  if (mask) push_redacted(L, text, length, mask);
  if (!mask) lua_pushlstring(L, text, length);
  lua_copy(L, -1, top + 1);
  lua_settop(L, top + 1);
}
