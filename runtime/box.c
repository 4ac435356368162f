/* Sealed boxes (AES-256-GCM); see box.h. */
#include "box.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

/* Start AES-256-GCM with this key and nonce, and add the binding as authenticated data. 0 when OpenSSL fails. */
static int start_gcm(EVP_CIPHER_CTX *context, const unsigned char *key, const unsigned char *nonce,
                     const struct box_binding *binding, size_t parts, int encrypt) {
  int written;
  if (!context || !EVP_CipherInit_ex2(context, EVP_aes_256_gcm(), key, nonce, encrypt, NULL)) return 0;
  for (size_t i = 0; i < parts; i++)
    if (binding[i].length > INT_MAX ||
        !EVP_CipherUpdate(context, NULL, &written, binding[i].bytes, (int)binding[i].length))
      return 0;
  return 1;
}

int box_seal(const unsigned char key[BOX_KEY], const struct box_binding *binding, size_t parts, const void *plain,
             size_t length, unsigned char *box) {
  unsigned char *text = box + BOX_NONCE, final_block[BOX_TAG];
  int written;
  if (length > INT_MAX || RAND_bytes(box, BOX_NONCE) != 1) return 0;
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  int ok = start_gcm(context, key, box, binding, parts, 1) &&
           (!length || EVP_CipherUpdate(context, text, &written, plain, (int)length)) &&
           EVP_CipherFinal_ex(context, final_block, &written) &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, BOX_TAG, text + length);
  EVP_CIPHER_CTX_free(context);
  return ok;
}

int box_open(const unsigned char key[BOX_KEY], const struct box_binding *binding, size_t parts,
             const unsigned char *box, size_t size, void *plain) {
  unsigned char final_block[BOX_TAG], tag[BOX_TAG];
  int written;
  if (size < BOX_OVERHEAD || size > INT_MAX) return 0;
  size_t length = size - BOX_OVERHEAD;
  memcpy(tag, box + size - BOX_TAG, BOX_TAG);
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  int ok = start_gcm(context, key, box, binding, parts, 0) &&
           (!length || EVP_CipherUpdate(context, plain, &written, box + BOX_NONCE, (int)length)) &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, BOX_TAG, tag) &&
           EVP_CipherFinal_ex(context, final_block, &written) > 0;
  EVP_CIPHER_CTX_free(context);
  if (!ok) OPENSSL_cleanse(plain, length);
  return ok;
}
