/* Sealed boxes: AES-256-GCM (NIST SP 800-38D) with a random nonce. Random
 * nonces are safe for 2^32 boxes under one key, far beyond what is sealed
 * here. */
#include "crypto.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

enum { NONCE_SIZE = 12, TAG_SIZE = 16, OVERHEAD = NONCE_SIZE + TAG_SIZE };

/* One box: where its parts are. */
struct box {
  const struct secret *key;
  const unsigned char *binding, *nonce, *in;
  unsigned char *out;
  size_t binding_length, length;
};

/* Everything but the tag. */
static int run(EVP_CIPHER_CTX *context, const struct box *box, int encrypt) {
  int done;
  return EVP_CipherInit_ex2(context, EVP_aes_256_gcm(), (const unsigned char *)box->key->bytes, box->nonce, encrypt,
                            NULL) &&
         EVP_CipherUpdate(context, NULL, &done, box->binding, (int)box->binding_length) &&
         (!box->length || EVP_CipherUpdate(context, box->out, &done, box->in, (int)box->length));
}

static int lock(EVP_CIPHER_CTX *context, const struct box *box, unsigned char tag[TAG_SIZE]) {
  unsigned char none[TAG_SIZE];
  int done;
  return run(context, box, 1) && EVP_CipherFinal_ex(context, none, &done) &&
         EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, tag);
}

static int unlock(EVP_CIPHER_CTX *context, const struct box *box, const unsigned char *tag) {
  unsigned char none[TAG_SIZE], expected[TAG_SIZE];
  int done;
  memcpy(expected, tag, TAG_SIZE);
  return run(context, box, 0) && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, expected) &&
         EVP_CipherFinal_ex(context, none, &done) > 0;
}

int crypto_seal(const struct secret *key, const char *binding, size_t binding_length, const struct secret *value,
                struct buffer *out) {
  unsigned char nonce[NONCE_SIZE], tag[TAG_SIZE];
  size_t start = out->length;
  if (binding_length > INT_MAX || RAND_bytes(nonce, sizeof nonce) != 1) return 0;
  if (!buffer_append(out, nonce, sizeof nonce) || !buffer_append(out, value->bytes, value->length)) return 0;
  unsigned char *room = (unsigned char *)out->data + start + NONCE_SIZE;
  struct box box = {key, (const unsigned char *)binding, nonce, room, room, binding_length, value->length};
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  int fine = context && lock(context, &box, tag) && buffer_append(out, tag, sizeof tag);
  EVP_CIPHER_CTX_free(context);
  if (fine) return 1;
  explicit_bzero(out->data + start, out->length - start);
  out->length = start;
  return 0;
}

int crypto_open(lua_State *L, enum secret_kind kind, const struct secret *key, const char *binding,
                size_t binding_length, const char *sealed, size_t length) {
  if (length < OVERHEAD || length > INT_MAX || binding_length > INT_MAX) {
    lua_pushliteral(L, "the sealed value is cut off");
    return 0;
  }
  struct secret *secret = secret_reserve(L, kind, length - OVERHEAD);
  const unsigned char *nonce = (const unsigned char *)sealed, *in = nonce + NONCE_SIZE;
  struct box box = {
      key, (const unsigned char *)binding, nonce, in, (unsigned char *)secret->bytes, binding_length, secret->length};
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  int fine = context && unlock(context, &box, in + box.length);
  EVP_CIPHER_CTX_free(context);
  if (fine) {
    secret_register(L);
    return 1;
  }
  OPENSSL_cleanse(secret->bytes, secret->length);
  lua_pop(L, 1);
  lua_pushliteral(L, "the sealed value does not open: it was sealed with another key or for another place, or altered");
  return 0;
}
