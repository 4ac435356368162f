/* The journal's keys: what is sealed, and what proves the chain's end.
 *
 * AES-256-GCM with a fresh nonce each time. A sealed value opens only under
 * the use, binding and id it was sealed with, so that one moved to another
 * row, tenant or purpose is as good as destroyed, and is noticed. Layout: one
 * byte of version, the key's id, nonce, ciphertext, tag. The first version had
 * no id of its key.
 */
#include "journal_internal.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

enum { FIRST_VERSION = 1, SEAL_VERSION = 2, NONCE_SIZE = 12, TAG_SIZE = 16 };

static int derive(const char *key, size_t length, const char *label, unsigned char *out) {
  return HMAC(EVP_sha256(), key, (int)length, (const unsigned char *)label, strlen(label), out, NULL) != NULL;
}

int journal_seal_derive(struct journal *journal, const char *key, size_t length) {
  unsigned char id[HASH_SIZE];
  journal->keys = OPENSSL_secure_malloc(2 * KEY_SIZE);
  if (journal->keys && derive(key, length, "moonlatch journal 1: sealed values", journal->keys) &&
      derive(key, length, "moonlatch journal 1: audit chain", journal->keys + KEY_SIZE) &&
      derive(key, length, "moonlatch journal 1: key id", id)) {
    memcpy(journal->key_id, id, KEY_ID_SIZE);
    return 1;
  }
  snprintf(journal->message, sizeof journal->message, "cannot open the journal: not enough locked memory for its keys");
  return 0;
}

void journal_seal_mac(const struct journal *journal, const void *data, size_t length, unsigned char out[HASH_SIZE]) {
  HMAC(EVP_sha256(), journal->keys + KEY_SIZE, KEY_SIZE, data, length, out, NULL);
}

/* Bytes before the nonce; 0 for a version that we do not know. */
static size_t start_of(unsigned char version) {
  if (version == FIRST_VERSION) return 1;
  return version == SEAL_VERSION ? 1 + KEY_ID_SIZE : 0;
}

int journal_seal_is_foreign(const struct journal *journal, const unsigned char *sealed, size_t length) {
  return length > KEY_ID_SIZE && *sealed == SEAL_VERSION && memcmp(sealed + 1, journal->key_id, KEY_ID_SIZE) != 0;
}

size_t journal_seal_plain_size(const unsigned char *sealed, size_t length, size_t none) {
  size_t start = length > 0 ? start_of(*sealed) : 0;
  return start > 0 && length >= start + NONCE_SIZE + TAG_SIZE ? length - start - NONCE_SIZE - TAG_SIZE : none;
}

/* Feed the name as authenticated data; the NULs keep its parts apart. */
static int add_name(EVP_CIPHER_CTX *context, const struct seal_name *name) {
  const char *const parts[] = {name->use, name->binding, name->id};
  int unused;
  for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
    if (!EVP_CipherUpdate(context, NULL, &unused, (const unsigned char *)parts[i], (int)strlen(parts[i]) + 1)) return 0;
  return 1;
}

/* All but the tag: nonce and name in, length bytes through. */
static int run_cipher(const struct journal *journal, EVP_CIPHER_CTX *context, const struct seal_name *name,
                      const unsigned char *nonce, const void *in, size_t length, void *out, int encrypt) {
  int written = 0;
  return length <= INT32_MAX && EVP_CipherInit_ex2(context, EVP_aes_256_gcm(), journal->keys, nonce, encrypt, NULL) &&
         add_name(context, name) && EVP_CipherUpdate(context, out, &written, in, (int)length);
}

/* Seal into space, which holds length + SEAL_OVERHEAD bytes. */
static int encrypt_into(const struct journal *journal, EVP_CIPHER_CTX *context, const struct seal_name *name,
                        const char *plain, size_t length, unsigned char *space) {
  unsigned char *nonce = space + 1 + KEY_ID_SIZE, *text = nonce + NONCE_SIZE, *tag = text + length;
  int written = 0;
  *space = SEAL_VERSION;
  memcpy(space + 1, journal->key_id, KEY_ID_SIZE);
  return RAND_bytes(nonce, NONCE_SIZE) == 1 && run_cipher(journal, context, name, nonce, plain, length, text, 1) &&
         EVP_CipherFinal_ex(context, tag, &written) &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag);
}

int journal_seal_encrypt(struct journal *journal, const struct seal_name *name, const char *plain, size_t length,
                         struct buffer *out) {
  size_t size = length + SEAL_OVERHEAD;
  unsigned char *space = OPENSSL_malloc(size);
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  int done =
      space && context && encrypt_into(journal, context, name, plain, length, space) && buffer_append(out, space, size);
  EVP_CIPHER_CTX_free(context);
  OPENSSL_free(space);
  if (!done) snprintf(journal->message, sizeof journal->message, "cannot seal a value: not enough memory");
  return done;
}

int journal_seal_decrypt(const struct journal *journal, const struct seal_name *name, const unsigned char *sealed,
                         size_t length, char *plain) {
  size_t size = journal_seal_plain_size(sealed, length, SIZE_MAX);
  if (size == SIZE_MAX || journal_seal_is_foreign(journal, sealed, length)) return 0;
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  const unsigned char *nonce = sealed + start_of(*sealed), *text = nonce + NONCE_SIZE, *tag = text + size;
  unsigned char rest[16];
  int written = 0;
  int done = context && run_cipher(journal, context, name, nonce, text, size, plain, 0) &&
             EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, (void *)tag) &&
             EVP_CipherFinal_ex(context, rest, &written) == 1;
  EVP_CIPHER_CTX_free(context);
  if (!done) OPENSSL_cleanse(plain, size);
  return done;
}
