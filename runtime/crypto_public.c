/* Encrypt a secret with a public RSA key. The holder of the private key decrypts it with common tools (openssl
 * pkeyutl -decrypt); Moonlatch cannot. */
#include "crypto.h"

#include "base64.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

enum { MIN_RSA_BITS = 2048, MAX_RSA_BITS = 8192 };

/* Return the public key in a PEM text, which is a public key or a certificate; NULL when there is none. */
static EVP_PKEY *read_public_key(const char *text, size_t length) {
  BIO *bio = BIO_new_mem_buf(text, (int)length);
  EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;
  if (bio && !key) BIO_reset(bio);
  X509 *certificate = bio && !key ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
  if (certificate) key = X509_get_pubkey(certificate);
  X509_free(certificate);
  BIO_free(bio);
  ERR_clear_error();
  return key;
}

/* Encrypt with RSA-OAEP and SHA-256 (RFC 8017, 7.1) into out, which has room for as many bytes as the key. 0 when the
 * value is too long for the key, or memory is out. */
static int encrypt_oaep(EVP_PKEY *key, const struct secret *value, unsigned char *out, size_t *length) {
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
  int ok = context && EVP_PKEY_encrypt_init(context) > 0 &&
           EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0 &&
           EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) > 0 &&
           EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) > 0 &&
           EVP_PKEY_encrypt(context, out, length, (const unsigned char *)value->bytes, value->length) > 0;
  EVP_PKEY_CTX_free(context);
  ERR_clear_error();
  return ok;
}

/* Push the encrypted bytes as one line of base64. The line is a secret of the value's kind, because the holder of the
 * private key can read the value. [-0, +1, e] */
static void push_encrypted_line(lua_State *L, const struct secret *value, const unsigned char *sealed, size_t length) {
  struct secret *line = secret_reserve(L, value->kind, (length + 2) / 3 * 4 + 1);
  line->length = base64_encode(sealed, length, 0, line->bytes);
  line->bytes[line->length++] = '\n';
  secret_register(L);
}

/* crypto.seal_to(pem, value) -> secret | nil, message */
int crypto_public_encrypt(lua_State *L) {
  size_t length, sealed = MAX_RSA_BITS / 8;
  unsigned char out[MAX_RSA_BITS / 8];
  const char *text = luaL_checklstring(L, 1, &length);
  const struct secret *value = secret_check(L, 2);
  luaL_argcheck(L, length <= 1 << 20, 1, "too long for a key");
  EVP_PKEY *key = read_public_key(text, length);
  int bits = key && EVP_PKEY_is_a(key, "RSA") ? EVP_PKEY_get_bits(key) : 0;
  int fits = bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS;
  int done = fits && encrypt_oaep(key, value, out, &sealed);
  EVP_PKEY_free(key);
  if (!fits) return lib_fail(L, "it holds no RSA public key in PEM with %d bits or more", MIN_RSA_BITS);
  if (!done) return lib_fail(L, "a value of %zu bytes does not fit a key of %d bits", value->length, bits);
  push_encrypted_line(L, value, out, sealed);
  return 1;
}
