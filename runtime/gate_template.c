/* Templates of paths, as `needs` declares them, and how a path is held against one. No I/O and no Lua. */
#include "gate_internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

int gate_slice_same(struct slice a, struct slice b) {
  return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

struct slice gate_slice_cut(const char **rest, const char *stops) {
  struct slice part = {*rest, strcspn(*rest, stops)};
  *rest += part.length;
  return part;
}

/* ---- the grammar ---- */

enum form { LITERAL, ONE, SEVERAL, CALL, BELOW, WRONG };

/* "{name}" or "{name+}", from the first brace on: a letter, then letters, digits, "_" and "-". */
static enum form form_of_placeholder(struct slice text) {
  size_t end = text.length - 1;
  if (text.length < 3 || text.at[end] != '}') return WRONG;
  int several = text.at[end - 1] == '+';
  size_t stop = end - (size_t)several;
  if (stop < 2 || !isalpha((unsigned char)text.at[1])) return WRONG;
  for (size_t i = 1; i < stop; i++)
    if (!isalnum((unsigned char)text.at[i]) && text.at[i] != '_' && text.at[i] != '-') return WRONG;
  return several ? SEVERAL : ONE;
}

static enum form form_of(struct slice segment) {
  if (!segment.length) return WRONG;
  if (segment.length == 1 && *segment.at == '*') return BELOW;
  if (memchr(segment.at, '(', segment.length)) return segment.at[segment.length - 1] == ')' ? CALL : WRONG;
  if (*segment.at == '{') return form_of_placeholder(segment);
  for (size_t i = 0; i < segment.length; i++)
    if (strchr("{}*)", segment.at[i])) return WRONG;
  return LITERAL;
}

static int is_dots(struct slice segment) {
  return segment.length && segment.length <= 2 && strspn(segment.at, ".") >= segment.length;
}

/* NULL, or why the segment may not stand there; *several counts "{name+}". */
static const char *refuse_segment(struct slice segment, int is_last, int *several) {
  enum form form = form_of(segment);
  if (!segment.length) return "it has an empty segment: a slash too many";
  if (is_dots(segment)) return "a segment is neither \".\" nor \"..\"";
  if (form == WRONG)
    return "a placeholder is a whole segment, {name} for one or {name+} for several, with a name of letters, digits, "
           "\"_\" and \"-\"";
  if (form == BELOW && !is_last) return "* stands at the end only";
  if (*several && form != LITERAL) return "after {name+} only plain segments may follow";
  *several = *several || form == SEVERAL;
  return NULL;
}

const char *gate_template_refuse(const char *text) {
  int several = 0;
  if (*text != '/') return "a call's path begins with /";
  for (const char *c = text; *c; c++)
    if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("?#%\\", *c))
      return "a path has no spaces, no query, no \"%\" and plain letters only";
  while (*text == '/') {
    text++;
    struct slice segment = gate_slice_cut(&text, "/");
    const char *why = refuse_segment(segment, !*text, &several);
    if (why) return why;
  }
  return NULL;
}

/* ---- matching ---- */

/* Does "%" with this code stand anywhere in the segment? */
static int has_escape(struct slice segment, const char *code) {
  for (size_t i = 0; i + 2 < segment.length; i++)
    if (segment.at[i] == '%' && strncasecmp(segment.at + i + 1, code, 2) == 0) return 1;
  return 0;
}

/* "." and "..", also escaped. */
static int leads_up(struct slice segment) {
  size_t i = 0;
  while (i < segment.length) {
    if (segment.at[i] == '.')
      i++;
    else if (i + 2 < segment.length && strncasecmp(segment.at + i, "%2e", 3) == 0)
      i += 3;
    else
      return 0;
  }
  return 1;
}

/* Is this one value to every server: no slash in disguise, no step up? */
static int is_one(struct slice value) {
  return value.length && !leads_up(value) && !has_escape(value, "2f") && !has_escape(value, "5c");
}

/* An id is one segment, and no operator ($ref, $batch). */
static int is_id(struct slice segment) {
  if (segment.length && *segment.at == '$') return 0;
  if (segment.length >= 3 && memcmp(segment.at, "%24", 3) == 0) return 0;
  return is_one(segment);
}

/* The end of a quoted value that begins at text, or NULL when nothing ends it; quotes inside are doubled. */
static const char *skip_quoted(const char *text, const char *end) {
  for (text++; text < end; text++) {
    if (*text != '\'') continue;
    if (text + 1 == end || text[1] != '\'') return text + 1;
    text++;
  }
  return NULL;
}

/* Is the segment "name('value')", or with GATE_KEYED "name(key='value')": one object of the list called name? */
static int names_one(struct slice name, struct slice segment, enum gate_forms forms) {
  const char *end = segment.at + segment.length - 1, *quote = segment.at + name.length + 1;
  if (forms == GATE_AS_WRITTEN || segment.length < name.length + 4 || *end != ')' || quote[-1] != '(') return 0;
  if (memcmp(segment.at, name.at, name.length) != 0) return 0;
  if (forms == GATE_KEYED && isalpha((unsigned char)*quote)) {
    while (quote < end && isalnum((unsigned char)*quote)) quote++;
    if (*quote++ != '=') return 0;
  }
  return quote < end && *quote == '\'' && skip_quoted(quote, end) == end &&
         is_one((struct slice){quote + 1, (size_t)(end - quote) - 2});
}

/* The next key of "a='x',b='y'" and where the one after it begins; *plain becomes 0 where more than a value follows. */
static struct slice next_key(const char **rest, const char *end, int *plain) {
  struct slice key = {*rest, 0};
  while (*rest < end && **rest != '=' && **rest != ',') ++*rest;
  key.length = (size_t)(*rest - key.at);
  if (*rest < end && **rest == '=') {
    ++*rest;
    const char *after = *rest < end && **rest == '\'' ? skip_quoted(*rest, end) : *rest;
    int quoted = after != *rest;
    *plain = *plain && after;
    for (*rest = after ? after : end; *rest < end && **rest != ','; ++*rest)
      if (quoted || strchr("()'", **rest)) *plain = 0;
  }
  if (*rest < end) ++*rest;
  return key;
}

static int same_keys(struct slice pattern, struct slice actual) {
  const char *a = pattern.at, *b = actual.at;
  const char *a_end = a + pattern.length, *b_end = b + actual.length;
  int plain = 1;
  while (a < a_end && b < b_end)
    if (!gate_slice_same(next_key(&a, a_end, &plain), next_key(&b, b_end, &plain))) return 0;
  return plain && a == a_end && b == b_end;
}

/* "(uniqueName)" or "(uniqueName='{name}')" against "(uniqueName='x')": the keys
 * between the parentheses have to be the same, in the same order. */
static int same_call(struct slice pattern, struct slice actual) {
  const char *open = memchr(pattern.at, '(', pattern.length);
  size_t name = (size_t)(open - pattern.at) + 1;
  if (actual.length <= name || memcmp(pattern.at, actual.at, name) != 0) return 0;
  if (actual.at[actual.length - 1] != ')') return 0;
  return same_keys((struct slice){pattern.at + name, pattern.length - name - 1},
                   (struct slice){actual.at + name, actual.length - name - 1});
}

/* "{name+}" and the plain segments after it (tail) against the rest of a path, which begins without a slash: one or
 * more ids, then exactly the tail. */
static int match_several(const char *tail, const char *path) {
  size_t length = strlen(path), end = strlen(tail);
  if (length <= end || strcmp(path + length - end, tail) != 0) return 0;
  const char *stop = path + length - end;
  for (;;) {
    struct slice segment = gate_slice_cut(&path, "/");
    if (segment.at + segment.length > stop || !is_id(segment)) return 0;
    if (path == stop) return 1;
    path++;
  }
}

/* Where the text goes on with one placeholder: what stands after it; else NULL. */
static const char *after_placeholder(const char *text) {
  if (*text++ != '/') return NULL;
  return form_of(gate_slice_cut(&text, "/")) == ONE ? text : NULL;
}

enum gate_forms gate_template_forms(const char *peer, const char *method) {
  if (strcmp(peer, "graph") != 0) return GATE_AS_WRITTEN;
  return strcmp(method, "PATCH") == 0 || strcmp(method, "PUT") == 0 ? GATE_QUOTED : GATE_KEYED;
}

int gate_template_match(const char *text, const char *path, enum gate_forms forms) {
  while (*text == '/' && *path == '/') {
    text++, path++;
    struct slice pattern = gate_slice_cut(&text, "/");
    enum form form = form_of(pattern);
    if (form == BELOW) return 1;
    if (form == SEVERAL) return match_several(text, path);
    struct slice actual = gate_slice_cut(&path, "/");
    const char *rest = form == LITERAL ? after_placeholder(text) : NULL;
    if (rest && names_one(pattern, actual, forms)) {
      text = rest;
      continue;
    }
    if (form == WRONG || (form == ONE && !is_id(actual)) || (form == LITERAL && !gate_slice_same(pattern, actual)) ||
        (form == CALL && !same_call(pattern, actual)))
      return 0;
  }
  return !*text && !*path;
}

/* ---- suggesting ---- */

/* Does the segment look like what names one object: a GUID, a user, something escaped? */
static int is_name(struct slice segment) {
  size_t dashes = 0;
  for (size_t i = 0; i < segment.length; i++) {
    if (strchr("@%", segment.at[i])) return 1;
    dashes += segment.at[i] == '-';
  }
  return dashes >= 4;
}

void gate_template_suggest(struct buffer *out, const char *path) {
  while (*path == '/') {
    path++;
    struct slice segment = gate_slice_cut(&path, "/");
    const char *open = memchr(segment.at, '(', segment.length), *equals = memchr(segment.at, '=', segment.length);
    int keyed = open && equals > open, quoted = open && open[1] == '\'';
    buffer_append_string(out, "/");
    if (quoted) {
      buffer_append(out, segment.at, (size_t)(open - segment.at));
      buffer_append_string(out, "/{id}");
    } else if (keyed)
      buffer_append(out, segment.at, (size_t)(equals - segment.at));
    else if (is_name(segment))
      buffer_append_string(out, "{id}");
    else
      buffer_append(out, segment.at, segment.length);
    if (keyed && !quoted) buffer_append_string(out, ")");
  }
}
