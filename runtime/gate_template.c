/* Path templates, as `needs` declares them: check a template, match a path with one, suggest one. No I/O and no Lua. */
#include "gate_internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

int gate_slice_equal(struct slice a, struct slice b) {
  return a.length == b.length && memcmp(a.at, b.at, a.length) == 0;
}

struct slice gate_slice_cut(const char **rest, const char *stops) {
  struct slice part = {*rest, strcspn(*rest, stops)};
  *rest += part.length;
  return part;
}

/* ---- grammar ---- */

enum segment_form { LITERAL, ONE, SEVERAL, CALL, BELOW, WRONG };

/* Return ONE for "{name}", SEVERAL for "{name+}", else WRONG. A name is a letter, then letters, digits, "_" and "-". */
static enum segment_form template_placeholder_form(struct slice text) {
  size_t end = text.length - 1;
  if (text.length < 3 || text.at[end] != '}') return WRONG;
  int several = text.at[end - 1] == '+';
  size_t stop = end - (size_t)several;
  if (stop < 2 || !isalpha((unsigned char)text.at[1])) return WRONG;
  for (size_t i = 1; i < stop; i++)
    if (!isalnum((unsigned char)text.at[i]) && text.at[i] != '_' && text.at[i] != '-') return WRONG;
  return several ? SEVERAL : ONE;
}

static enum segment_form template_segment_form(struct slice segment) {
  if (!segment.length) return WRONG;
  if (segment.length == 1 && *segment.at == '*') return BELOW;
  if (memchr(segment.at, '(', segment.length)) return segment.at[segment.length - 1] == ')' ? CALL : WRONG;
  if (*segment.at == '{') return template_placeholder_form(segment);
  for (size_t i = 0; i < segment.length; i++)
    if (strchr("{}*)", segment.at[i])) return WRONG;
  return LITERAL;
}

static int is_dot_template_segment(struct slice segment) {
  return segment.length && segment.length <= 2 && strspn(segment.at, ".") >= segment.length;
}

/* Return why the segment may not be there, or NULL; *several becomes 1 after a "{name+}". */
static const char *template_segment_problem(struct slice segment, int is_last, int *several) {
  enum segment_form segment_form = template_segment_form(segment);
  if (!segment.length) return "it has an empty segment: remove a slash";
  if (is_dot_template_segment(segment)) return "a segment may not be \".\" or \"..\"";
  if (segment_form == WRONG)
    return "a placeholder is a whole segment, {name} for one or {name+} for several, with a name of letters, digits, "
           "\"_\" and \"-\"";
  if (segment_form == BELOW && !is_last) return "* may stand at the end only";
  if (*several && segment_form != LITERAL) return "only literal segments may follow {name+}";
  *several = *several || segment_form == SEVERAL;
  return NULL;
}

const char *gate_template_problem(const char *text) {
  int several = 0;
  if (*text != '/') return "a call's path begins with /";
  for (const char *c = text; *c; c++)
    if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || strchr("?#%\\", *c))
      return "a path may not have spaces, a query, \"%\", \"\\\" or characters beyond ASCII";
  if (!text[1]) return NULL; /* the address of the peer itself */
  while (*text == '/') {
    text++;
    struct slice segment = gate_slice_cut(&text, "/");
    const char *problem = template_segment_problem(segment, !*text, &several);
    if (problem) return problem;
  }
  return NULL;
}

/* ---- matching ---- */

/* Does the segment contain the escape "%" with this code? */
static int segment_has_escape(struct slice segment, const char *code) {
  for (size_t i = 0; i + 2 < segment.length; i++)
    if (segment.at[i] == '%' && strncasecmp(segment.at + i + 1, code, 2) == 0) return 1;
  return 0;
}

/* Is the segment "." or "..", also with escapes? */
static int is_escaped_dot_segment(struct slice segment) {
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

/* Is this one value to every server: no escaped slash, no dot segment? */
static int is_single_value(struct slice value) {
  return value.length && !is_escaped_dot_segment(value) && !segment_has_escape(value, "2f") &&
         !segment_has_escape(value, "5c");
}

/* May this segment stand for {id}? A server must not read more than one segment into it, nor an operator ($ref,
 * $batch). */
static int is_id_segment(struct slice segment) {
  if (segment.length && *segment.at == '$') return 0;
  if (segment.length >= 3 && memcmp(segment.at, "%24", 3) == 0) return 0;
  return is_single_value(segment);
}

/* Return the end of the quoted value that begins at text, or NULL when nothing ends it; a quote inside the value is
 * doubled. */
static const char *skip_quoted_key(const char *text, const char *end) {
  for (text++; text < end; text++) {
    if (*text != '\'') continue;
    if (text + 1 == end || text[1] != '\'') return text + 1;
    text++;
  }
  return NULL;
}

/* Is the segment "name('value')", or with GATE_KEYED "name(key='value')": one object of the list called name? */
static int names_one_object(struct slice name, struct slice segment, enum gate_forms forms) {
  const char *end = segment.at + segment.length - 1, *quote = segment.at + name.length + 1;
  if (forms == GATE_AS_WRITTEN || segment.length < name.length + 4 || *end != ')' || quote[-1] != '(') return 0;
  if (memcmp(segment.at, name.at, name.length) != 0) return 0;
  if (forms == GATE_KEYED && isalpha((unsigned char)*quote)) {
    while (quote < end && isalnum((unsigned char)*quote)) quote++;
    if (*quote++ != '=') return 0;
  }
  return quote < end && *quote == '\'' && skip_quoted_key(quote, end) == end &&
         is_single_value((struct slice){quote + 1, (size_t)(end - quote) - 2});
}

/* Return the next key of "a='x',b='y'", and move *rest on to the key after it; *plain becomes 0 when more than one
 * value follows the key. */
static struct slice next_lookup_key(const char **rest, const char *end, int *plain) {
  struct slice key = {*rest, 0};
  while (*rest < end && **rest != '=' && **rest != ',') ++*rest;
  key.length = (size_t)(*rest - key.at);
  if (*rest < end && **rest == '=') {
    ++*rest;
    const char *after = *rest < end && **rest == '\'' ? skip_quoted_key(*rest, end) : *rest;
    int quoted = after != *rest;
    *plain = *plain && after;
    for (*rest = after ? after : end; *rest < end && **rest != ','; ++*rest)
      if (quoted || strchr("()'", **rest)) *plain = 0;
  }
  if (*rest < end) ++*rest;
  return key;
}

static int template_keys_match(struct slice pattern, struct slice actual) {
  const char *a = pattern.at, *b = actual.at;
  const char *a_end = a + pattern.length, *b_end = b + actual.length;
  int plain = 1;
  while (a < a_end && b < b_end)
    if (!gate_slice_equal(next_lookup_key(&a, a_end, &plain), next_lookup_key(&b, b_end, &plain))) return 0;
  return plain && a == a_end && b == b_end;
}

/* Does "(uniqueName='x')" match the template "(uniqueName)" or "(uniqueName='{name}')"? The keys between the
 * parentheses have to be the same, in the same order. */
static int template_lookup_matches(struct slice pattern, struct slice actual) {
  const char *open = memchr(pattern.at, '(', pattern.length);
  size_t name = (size_t)(open - pattern.at) + 1;
  if (actual.length <= name || memcmp(pattern.at, actual.at, name) != 0) return 0;
  if (actual.at[actual.length - 1] != ')') return 0;
  return template_keys_match((struct slice){pattern.at + name, pattern.length - name - 1},
                             (struct slice){actual.at + name, actual.length - name - 1});
}

/* Does the rest of a path, which begins without a slash, match "{name+}" and the literal segments after it (tail)?
 * One or more ids, then exactly the tail. */
static int template_match_repeated(const char *tail, const char *path) {
  size_t length = strlen(path), end = strlen(tail);
  if (length <= end || strcmp(path + length - end, tail) != 0) return 0;
  const char *stop = path + length - end;
  for (;;) {
    struct slice segment = gate_slice_cut(&path, "/");
    if (segment.at + segment.length > stop || !is_id_segment(segment)) return 0;
    if (path == stop) return 1;
    path++;
  }
}

/* Where the text goes on with one placeholder: what stands after it; else NULL. */
static const char *after_placeholder(const char *text) {
  if (*text++ != '/') return NULL;
  return template_segment_form(gate_slice_cut(&text, "/")) == ONE ? text : NULL;
}

enum gate_forms gate_template_forms(const char *peer, const char *method) {
  if (strcmp(peer, "graph") != 0) return GATE_AS_WRITTEN;
  return strcmp(method, "PATCH") == 0 || strcmp(method, "PUT") == 0 ? GATE_QUOTED : GATE_KEYED;
}

int gate_template_match(const char *text, const char *path, enum gate_forms forms) {
  if (*text == '/' && !text[1]) return strcmp(path, "/") == 0;
  while (*text == '/' && *path == '/') {
    text++, path++;
    struct slice pattern = gate_slice_cut(&text, "/");
    enum segment_form segment_form = template_segment_form(pattern);
    if (segment_form == BELOW) return 1;
    if (segment_form == SEVERAL) return template_match_repeated(text, path);
    struct slice actual = gate_slice_cut(&path, "/");
    const char *rest = segment_form == LITERAL ? after_placeholder(text) : NULL;
    if (rest && names_one_object(pattern, actual, forms)) {
      text = rest;
      continue;
    }
    if (segment_form == WRONG || (segment_form == ONE && !is_id_segment(actual)) ||
        (segment_form == LITERAL && !gate_slice_equal(pattern, actual)) ||
        (segment_form == CALL && !template_lookup_matches(pattern, actual)))
      return 0;
  }
  return !*text && !*path;
}

/* ---- suggesting ---- */

/* Does the segment look like the name of one object: a GUID, a user name, a text with escapes? */
static int segment_is_object_name(struct slice segment) {
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
    int has_key = open && equals > open, is_quoted = open && open[1] == '\'';
    buffer_append_string(out, "/");
    if (is_quoted) {
      buffer_append(out, segment.at, (size_t)(open - segment.at));
      buffer_append_string(out, "/{id}");
    } else if (has_key)
      buffer_append(out, segment.at, (size_t)(equals - segment.at));
    else if (segment_is_object_name(segment))
      buffer_append_string(out, "{id}");
    else
      buffer_append(out, segment.at, segment.length);
    if (has_key && !is_quoted) buffer_append_string(out, ")");
  }
}
