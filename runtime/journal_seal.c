/* The journal's keys: sealing values, and the HMAC of the chain.
 *
 * A sealed value opens only with the use, binding and id that it was sealed with: a value that was moved to another
 * row, tenant or use does not open, and is noticed. Layout: one byte of version, the key's id, a box (box.h). The
 * first version had no key id.
 */
#include "box.h"
#include "journal_internal.h"

#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_VERSION = 1, SEAL_VERSION = 2 };

static int derive_journal_key(const char *key, size_t length, const char *label, unsigned char *out) {
  return HMAC(EVP_sha256(), key, (int)length, (const unsigned char *)label, strlen(label), out, NULL) != NULL;
}

int journal_seal_derive(struct journal *journal, const char *key, size_t length) {
  unsigned char id[HASH_SIZE];
  journal->keys = OPENSSL_secure_malloc(2 * KEY_SIZE);
  if (journal->keys && derive_journal_key(key, length, "moonlatch journal 1: sealed values", journal->keys) &&
      derive_journal_key(key, length, "moonlatch journal 1: audit chain", journal->keys + KEY_SIZE) &&
      derive_journal_key(key, length, "moonlatch journal 1: key id", id)) {
    memcpy(journal->key_id, id, KEY_ID_SIZE);
    return 1;
  }
  snprintf(journal->message, sizeof journal->message, "cannot open the journal: not enough memory for its keys");
  return 0;
}

int journal_seal_mac(const struct journal *journal, const void *data, size_t length, unsigned char out[HASH_SIZE]) {
  return HMAC(EVP_sha256(), journal->keys + KEY_SIZE, KEY_SIZE, data, length, out, NULL) != NULL;
}

/* Return the length of version and key id; 0 for an unknown version. */
static size_t seal_header_size(unsigned char version) {
  if (version == FIRST_VERSION) return 1;
  return version == SEAL_VERSION ? 1 + KEY_ID_SIZE : 0;
}

int journal_seal_is_foreign(const struct journal *journal, const unsigned char *sealed, size_t length) {
  return length > KEY_ID_SIZE && *sealed == SEAL_VERSION && memcmp(sealed + 1, journal->key_id, KEY_ID_SIZE) != 0;
}

size_t journal_seal_plaintext_size(const unsigned char *sealed, size_t length, size_t none) {
  size_t start = length > 0 ? seal_header_size(*sealed) : 0;
  return start > 0 && length >= start + BOX_OVERHEAD ? length - start - BOX_OVERHEAD : none;
}

/* Fill the binding of a value; the NULs keep the parts apart. */
static void fill_seal_binding(const struct seal_name *name, struct box_binding binding[3]) {
  const char *const parts[] = {name->use, name->binding, name->id};
  for (size_t i = 0; i < 3; i++) binding[i] = (struct box_binding){parts[i], strlen(parts[i]) + 1};
}

int journal_seal_encrypt(struct journal *journal, const struct seal_name *name, const char *plain, size_t length,
                         struct buffer *out) {
  struct box_binding binding[3];
  size_t before = out->length;
  unsigned char *space = buffer_extend(out, length + SEAL_OVERHEAD);
  fill_seal_binding(name, binding);
  if (space) {
    *space = SEAL_VERSION;
    memcpy(space + 1, journal->key_id, KEY_ID_SIZE);
    if (box_seal(journal->keys, binding, 3, plain, length, space + 1 + KEY_ID_SIZE)) return 1;
  }
  out->length = before;
  snprintf(journal->message, sizeof journal->message, "cannot seal a value: not enough memory");
  return 0;
}

int journal_seal_decrypt(const struct journal *journal, const struct seal_name *name, const unsigned char *sealed,
                         size_t length, char *plain) {
  struct box_binding binding[3];
  size_t size = journal_seal_plaintext_size(sealed, length, SIZE_MAX);
  if (size == SIZE_MAX || journal_seal_is_foreign(journal, sealed, length)) return 0;
  fill_seal_binding(name, binding);
  return box_open(journal->keys, binding, 3, sealed + seal_header_size(*sealed), size + BOX_OVERHEAD, plain);
}
