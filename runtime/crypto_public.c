/* Encrypt a secret to somebody: CMS (RFC 5652) for an RSA certificate, or age for a recipient of age. The holder of the
 * private key decrypts it with common tools (openssl cms -decrypt, age -d); Moonlatch cannot. */
#include "crypto.h"

#include <openssl/bio.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

enum { MIN_RSA_BITS = 2048, MAX_RSA_BITS = 16384, MAX_TEXT = 1 << 20 };

/* Return the certificate in a PEM text, when its key is RSA and long enough; else NULL. */
static X509 *read_recipient_certificate(const char *text, size_t length) {
  BIO *bio = BIO_new_mem_buf(text, (int)length);
  X509 *certificate = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;
  const EVP_PKEY *key = certificate ? X509_get0_pubkey(certificate) : NULL;
  int bits = key && EVP_PKEY_is_a(key, "RSA") ? EVP_PKEY_get_bits(key) : 0;
  BIO_free(bio);
  ERR_clear_error();
  if (bits >= MIN_RSA_BITS && bits <= MAX_RSA_BITS) return certificate;
  X509_free(certificate);
  return NULL;
}

/* Add the recipient, whose key transports the content's key with RSA-OAEP and SHA-256; 0 when OpenSSL fails. */
static int add_cms_recipient(CMS_ContentInfo *cms, X509 *certificate) {
  CMS_RecipientInfo *recipient = CMS_add1_recipient_cert(cms, certificate, CMS_KEY_PARAM);
  EVP_PKEY_CTX *context = recipient ? CMS_RecipientInfo_get0_pkey_ctx(recipient) : NULL;
  return context && EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0 &&
         EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()) > 0 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) > 0;
}

/* Write the value straight into the cipher: CMS_final would copy it through a buffer on the stack. */
static int encrypt_cms_content(CMS_ContentInfo *cms, const struct secret *value) {
  BIO *content = CMS_dataInit(cms, NULL);
  int ok = content && BIO_write(content, value->bytes, (int)value->length) == (int)value->length &&
           BIO_flush(content) == 1 && CMS_dataFinal(cms, content);
  BIO_free_all(content);
  return ok;
}

/* Return the value as enveloped data (AES-256-CBC) in PEM, or NULL when OpenSSL fails. */
static BIO *seal_cms(X509 *certificate, const struct secret *value) {
  CMS_ContentInfo *cms = CMS_encrypt(NULL, NULL, EVP_aes_256_cbc(), CMS_PARTIAL | CMS_BINARY);
  BIO *out = BIO_new(BIO_s_mem());
  int ok = cms && out && add_cms_recipient(cms, certificate) && encrypt_cms_content(cms, value) &&
           PEM_write_bio_CMS_stream(out, cms, NULL, 0);
  CMS_ContentInfo_free(cms);
  ERR_clear_error();
  if (ok) return out;
  BIO_free(out);
  return NULL;
}

/* Push what was sealed for the holder of the certificate's key; return why not, or NULL. It is a secret of the value's
 * kind, because that holder can read the value. [-0, +0|+1, e] */
static const char *push_sealed_cms(lua_State *L, const char *text, size_t length, const struct secret *value) {
  X509 *certificate = read_recipient_certificate(text, length);
  if (!certificate) return "it holds neither a recipient of age nor a certificate with an RSA key of 2048 bits or more";
  BIO *bio = seal_cms(certificate, value);
  X509_free(certificate);
  if (!bio) return "nothing can be encrypted with its certificate";
  char *bytes;
  long size = BIO_get_mem_data(bio, &bytes);
  secret_new(L, value->kind, bytes, (size_t)size);
  BIO_free(bio);
  return NULL;
}

/* crypto.seal_to(recipient, value) -> secret | nil, message */
int crypto_public_encrypt(lua_State *L) {
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  const struct secret *value = secret_check(L, 2);
  luaL_argcheck(L, length <= MAX_TEXT, 1, "too long for a key");
  const char *recipient = crypto_age_recipient(text, length);
  const char *problem = recipient ? crypto_age_seal(L, recipient, value) : push_sealed_cms(L, text, length, value);
  return problem ? lib_fail(L, "%s", problem) : 1;
}
