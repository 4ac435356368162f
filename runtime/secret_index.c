/* The index of the living secrets, by a hash of the first six characters of each of their forms.
 *
 * The forms are not stored: a hash leads to a secret and a form, and the form is computed character by character
 * while it is compared. So no copy of a secret is outside the secure heap. The hash folds letters to lower case and
 * both base64 alphabets into one, so that one pass over a text finds all forms; the comparison is exact.
 */
#include "secret_internal.h"

#include <stdlib.h>
#include <string.h>

/* A secret that is cut off (in a message with a limit, in a log line) is masked when this many of its first
 * characters are there. */
enum { MIN_PREFIX = 16 };

static const char base64_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Number of bits of the secret before its first whole base64 character, when 0, 1 or 2 other bytes precede it in its
 * group of three. */
static const unsigned first_bit[] = {[FORM_BASE64_0] = 0, [FORM_BASE64_1] = 4, [FORM_BASE64_2] = 2};

static unsigned char fold_character(unsigned char c) {
  if (c >= 'A' && c <= 'Z') return c + ('a' - 'A');
  if (c == '-' || c == ' ') return '+';
  return c == '_' ? '/' : c;
}

static uint64_t slide_window(uint64_t window, unsigned char c) {
  return ((window << 8) | fold_character(c)) & 0xffffffffffff;
}

static uint32_t hash_window(uint64_t window) {
  return (uint32_t)((window * 0x9e3779b97f4a7c15) >> 32);
}

/* Return the number of characters of a form that the secret alone determines. */
static size_t secret_form_length(const struct secret *secret, enum secret_form form) {
  if (form == FORM_RAW) return secret->length;
  if (form == FORM_HEX) return secret->length * 2;
  return (secret->length * 8 - first_bit[form]) / 6;
}

static unsigned char secret_base64_character(const unsigned char *bytes, size_t bit) {
  unsigned pair = (unsigned)bytes[bit / 8] << 8 | bytes[bit / 8 + 1]; /* a NUL follows the last byte */
  return (unsigned char)base64_alphabet[(pair >> (10 - bit % 8)) & 63];
}

/* Return character i of a form: hex in lower case, base64 in the standard alphabet. */
static unsigned char secret_form_character(const struct secret *secret, enum secret_form form, size_t i) {
  const unsigned char *bytes = (const unsigned char *)secret->bytes;
  if (form == FORM_RAW) return bytes[i];
  if (form == FORM_HEX) return (unsigned char)"0123456789abcdef"[bytes[i / 2] >> (i % 2 ? 0 : 4) & 15];
  return secret_base64_character(bytes, first_bit[form] + 6 * i);
}

static int form_characters_match(enum secret_form form, unsigned char expected, unsigned char found) {
  if (expected == found) return 1;
  if (form == FORM_RAW) return expected == ' ' && found == '+'; /* a form field has + for a space */
  if (form == FORM_HEX) return found < 'a' && expected == fold_character(found);
  return (expected == '+' && found == '-') || (expected == '/' && found == '_');
}

static uint32_t needle_hash(const struct secret_needle *needle) {
  uint64_t window = 0;
  for (size_t i = 0; i < SECRET_WINDOW; i++)
    window = slide_window(window, secret_form_character(needle->secret, needle->form, i));
  return hash_window(window);
}

/* Return the filter's word for a hash. Most texts contain no secret, and the filter saves a look into the buckets. */
static uint64_t *secret_filter_word(const struct secret_index *index, uint32_t key) {
  return &index->filter[(key >> 6) & (index->bucket_count - 1)];
}

static uint64_t secret_filter_bit(uint32_t key) {
  return (uint64_t)1 << (key & 63);
}

static void insert_needle(struct secret_index *index, struct secret_needle *needle) {
  uint32_t key = needle_hash(needle);
  struct secret_needle **bucket = &index->buckets[key & (index->bucket_count - 1)];
  needle->next = *bucket;
  needle->link = bucket;
  if (needle->next) needle->next->link = &needle->next;
  *bucket = needle;
  *secret_filter_word(index, key) |= secret_filter_bit(key);
}

/* Distribute the needles over bucket_count buckets, and make a new filter without removed needles. 0 when memory is
 * out. */
static int rebuild_secret_index(struct secret_index *index, size_t bucket_count) {
  struct secret_needle **old = index->buckets;
  size_t old_count = index->bucket_count;
  struct secret_needle **buckets = calloc(bucket_count, sizeof(struct secret_needle *));
  uint64_t *filter = calloc(bucket_count, sizeof *filter);
  if (!buckets || !filter) {
    free(buckets);
    free(filter);
    return 0;
  }
  free(index->filter);
  index->filter = filter;
  index->buckets = buckets;
  index->bucket_count = bucket_count;
  index->removed = 0;
  for (size_t i = 0; i < old_count; i++) {
    struct secret_needle *next;
    for (struct secret_needle *needle = old[i]; needle; needle = next) {
      next = needle->next;
      insert_needle(index, needle);
    }
  }
  free(old);
  return 1;
}

int secret_index_add(struct secret_index *index, const struct secret *secret,
                     struct secret_needle needles[FORM_COUNT]) {
  if (secret->length < SECRET_WINDOW) return 1;
  size_t needed = index->count + FORM_COUNT;
  if (needed > index->bucket_count) {
    size_t wanted = index->bucket_count ? index->bucket_count * 2 : 256;
    if (!rebuild_secret_index(index, wanted) && !index->buckets)
      return 0; /* without more buckets the search is slower, but correct */
  }
  for (int form = 0; form < FORM_COUNT; form++) {
    needles[form] = (struct secret_needle){.secret = secret, .form = (enum secret_form)form};
    insert_needle(index, &needles[form]);
  }
  index->count = needed;
  return 1;
}

static void unlink_needle(struct secret_needle *needle) {
  *needle->link = needle->next;
  if (needle->next) needle->next->link = needle->link;
}

void secret_index_remove(struct secret_index *index, struct secret_needle needles[FORM_COUNT]) {
  if (!index->buckets || !needles[0].secret) return;
  for (int form = 0; form < FORM_COUNT; form++) unlink_needle(&needles[form]);
  memset(needles, 0, sizeof(struct secret_needle) * FORM_COUNT);
  index->count -= FORM_COUNT;
  index->removed += FORM_COUNT;
  if (index->removed > index->count + 1024) rebuild_secret_index(index, index->bucket_count);
}

/* Return how many characters of the needle are at text; 0 when too few. */
static size_t needle_match_length(const struct secret_needle *needle, const char *text, size_t length) {
  size_t full_length = secret_form_length(needle->secret, needle->form), i = 0;
  while (i < full_length && i < length &&
         form_characters_match(needle->form, secret_form_character(needle->secret, needle->form, i),
                               (unsigned char)text[i]))
    i++;
  return i == full_length || i >= MIN_PREFIX ? i : 0;
}

static int is_base64_character(char c) {
  return c && (strchr(base64_alphabet, c) || c == '-' || c == '_');
}

/* Extend the hit by the base64 characters beside it that the secret determines in part, and by its padding. */
static void extend_base64_hit(const char *text, size_t length, struct secret_hit *hit, enum secret_form form) {
  if (form < FORM_BASE64_0) return;
  if (form != FORM_BASE64_0 && hit->start > 0 && is_base64_character(text[hit->start - 1])) hit->start--;
  if (hit->end < length && is_base64_character(text[hit->end])) hit->end++;
  while (hit->end < length && text[hit->end] == '=') hit->end++;
}

/* Find the longest match of the needles of this hash at start. */
static int find_longest_needle_match(const struct secret_index *index, uint32_t key, const char *text, size_t length,
                                     size_t start, struct secret_hit *hit) {
  size_t longest = 0;
  for (struct secret_needle *needle = index->buckets[key & (index->bucket_count - 1)]; needle; needle = needle->next) {
    size_t count = needle_match_length(needle, text + start, length - start);
    if (count <= longest) continue;
    longest = count;
    hit->start = start;
    hit->end = start + count;
    extend_base64_hit(text, length, hit, needle->form);
  }
  return longest > 0;
}

int secret_index_next(const struct secret_index *index, const char *text, size_t length, struct secret_hit *hit) {
  if (!index->count) return 0;
  uint64_t window = hit->window;
  for (size_t i = hit->position; i < length; i++) {
    window = slide_window(window, (unsigned char)text[i]);
    uint32_t key = hash_window(window);
    if (!(*secret_filter_word(index, key) & secret_filter_bit(key)) || i + 1 < SECRET_WINDOW) continue;
    if (!find_longest_needle_match(index, key, text, length, i + 1 - SECRET_WINDOW, hit)) continue;
    hit->position = i + 1;
    hit->window = window;
    return 1;
  }
  return 0;
}

void secret_index_free(struct secret_index *index) {
  free(index->buckets);
  free(index->filter);
  *index = (struct secret_index){0};
}
