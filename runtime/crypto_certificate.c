/* Read keys: from a file with key and certificate (PEM or PKCS#12), from a certificate alone, or from modulus and
 * exponent. Describe certificates. */
#include "crypto.h"

#include "base64.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MIN_RSA_BITS = 2048, MAX_RSA_BITS = 16384 };

static const char BEGIN[] = "-----BEGIN ";
static const char NEEDS_PASSPHRASE[] = "its private key is encrypted, and no passphrase was given";
static const char WRONG_PASSPHRASE[] = "the passphrase is wrong";

/* ---- PEM ---- */

/* OpenSSL's pem_password_cb. Without a passphrase it returns -1, so that OpenSSL does not ask on the terminal. */
static int on_pem_passphrase(char *out, int size, int writing, void *argument) {
  const struct secret *passphrase = argument;
  (void)writing;
  if (!passphrase || passphrase->length > (size_t)size) return -1;
  memcpy(out, passphrase->bytes, passphrase->length);
  return (int)passphrase->length;
}

static int certificate_file_contains(const struct secret *content, const char *text) {
  return memmem(content->bytes, content->length, text, strlen(text)) != NULL;
}

/* Return the first certificate in the PEM text that belongs to the key pair, or NULL. *count is the number of
 * certificates that were looked at. */
static X509 *find_pem_certificate(const char *text, size_t length, const EVP_PKEY *pair, int *count) {
  BIO *bio = BIO_new_mem_buf(text, (int)length);
  X509 *certificate = NULL;
  *count = 0;
  while (bio && (certificate = PEM_read_bio_X509(bio, NULL, on_pem_passphrase, NULL))) {
    ++*count;
    if (X509_check_private_key(certificate, pair) == 1) break;
    X509_free(certificate);
  }
  BIO_free(bio);
  return certificate;
}

static const char *load_pem_private_key(struct key *key, const struct secret *content,
                                        const struct secret *passphrase) {
  const char *from = memmem(content->bytes, content->length, BEGIN, strlen(BEGIN)); /* a byte order mark may precede */
  BIO *bio = BIO_new_mem_buf(from, (int)(content->bytes + content->length - from));
  key->pair = bio ? PEM_read_bio_PrivateKey(bio, NULL, on_pem_passphrase, (void *)passphrase) : NULL;
  BIO_free(bio);
  if (!key->pair && !certificate_file_contains(content, "PRIVATE KEY-----")) return "it holds no private key";
  if (!key->pair && certificate_file_contains(content, "ENCRYPTED"))
    return passphrase ? WRONG_PASSPHRASE : NEEDS_PASSPHRASE;
  return key->pair ? NULL : "its private key cannot be read";
}

static const char *load_pem_certificate(struct key *key, const char *text, size_t length) {
  int count;
  key->certificate = find_pem_certificate(text, length, key->pair, &count);
  if (key->certificate) return NULL;
  return count ? "none of its certificates belongs to its private key" : "it holds no certificate";
}

/* ---- PKCS#12 ---- */

static int is_utf16_certificate_file(const struct secret *content) {
  return content->length >= 2 &&
         (memcmp(content->bytes, "\xFF\xFE", 2) == 0 || memcmp(content->bytes, "\xFE\xFF", 2) == 0);
}

static const char OUTDATED[] = "it is damaged, or encrypted with an outdated algorithm (RC2 or 3DES)";

/* Return why PKCS12_parse failed. Older tools encrypt PKCS#12 with algorithms that OpenSSL 3 has only in its legacy
 * provider. */
static const char *pkcs12_problem(int has_passphrase) {
  unsigned long code = ERR_peek_error();
  if (ERR_GET_REASON(code) == PKCS12_R_MAC_VERIFY_FAILURE) return has_passphrase ? WRONG_PASSPHRASE : NEEDS_PASSPHRASE;
  return OUTDATED;
}

static const char *parse_pkcs12(struct key *key, PKCS12 *file, const struct secret *passphrase) {
  const char *text = passphrase ? passphrase->bytes : NULL; /* a secret's bytes are followed by a NUL */
  if (!PKCS12_parse(file, text, &key->pair, &key->certificate, NULL)) return pkcs12_problem(passphrase != NULL);
  if (!key->pair) return "it holds no private key";
  return key->certificate ? NULL : "it holds no certificate that belongs to its private key";
}

static const char *load_pkcs12(struct key *key, const struct secret *content, const struct secret *passphrase) {
  BIO *bio = BIO_new_mem_buf(content->bytes, (int)content->length);
  PKCS12 *file = bio ? d2i_PKCS12_bio(bio, NULL) : NULL;
  BIO_free(bio);
  if (!file && is_utf16_certificate_file(content)) return "it is text in UTF-16; save it as UTF-8";
  if (!file) return "it is neither PEM nor PKCS#12";
  const char *problem = parse_pkcs12(key, file, passphrase);
  PKCS12_free(file);
  return problem;
}

/* ---- keys of any form ---- */

/* Return why Entra does not accept the key, or NULL. Entra accepts only RSA for signing in and for tokens. */
static const char *rsa_key_problem(const struct key *key) {
  if (!EVP_PKEY_is_a(key->pair, "RSA")) return "its key is not an RSA key, and Entra accepts only RSA";
  int bits = EVP_PKEY_get_bits(key->pair);
  if (bits < MIN_RSA_BITS) return "its RSA key is shorter than 2048 bits";
  return bits > MAX_RSA_BITS ? "its RSA key is longer than 16384 bits" : NULL;
}

/* Load the key, and its certificate from the PEM text, or from the content when there is no text. Return why not, or
 * NULL. */
static const char *load_key_and_certificate(struct key *key, const struct secret *content,
                                            const struct secret *passphrase, const char *text, size_t length) {
  if (!certificate_file_contains(content, BEGIN)) return load_pkcs12(key, content, passphrase);
  const char *problem = load_pem_private_key(key, content, passphrase);
  if (problem) return problem;
  return text ? load_pem_certificate(key, text, length) : load_pem_certificate(key, content->bytes, content->length);
}

/* crypto.certificate(content, passphrase, certificate) -> key | nil, message, kind */
int crypto_certificate(lua_State *L) {
  size_t length = 0;
  const struct secret *content = secret_check(L, 1);
  const struct secret *passphrase = lua_isnoneornil(L, 2) ? NULL : secret_check(L, 2);
  const struct secret *held = secret_test(L, 3);
  const char *text = held ? held->bytes : luaL_optlstring(L, 3, NULL, &length);
  if (held) length = held->length;
  struct key *key = crypto_key_new(L);
  ERR_clear_error();
  const char *problem = load_key_and_certificate(key, content, passphrase, text, length);
  ERR_clear_error();
  if (!problem) problem = rsa_key_problem(key);
  if (problem == OUTDATED) return lib_fail_kind(L, "legacy", "%s", problem);
  if (problem) return lib_fail(L, "%s", problem);
  key->is_private = key->is_secret = 1;
  key->kind = content->kind;
  return 1;
}

/* crypto.private_key(pem) -> key | nil, message */
int crypto_certificate_private_key(lua_State *L) {
  size_t length;
  const char *pem = luaL_checklstring(L, 1, &length);
  struct key *key = crypto_key_new(L);
  BIO *bio = BIO_new_mem_buf(pem, (int)length);
  key->pair = bio ? PEM_read_bio_PrivateKey(bio, NULL, on_pem_passphrase, NULL) : NULL;
  BIO_free(bio);
  ERR_clear_error();
  const char *problem = key->pair ? rsa_key_problem(key) : "it holds no unencrypted private key in PEM";
  if (problem) return lib_fail(L, "%s", problem);
  key->is_private = 1;
  return 1;
}

/* crypto.x509(der) -> key | nil, message */
int crypto_certificate_x509(lua_State *L) {
  size_t length;
  const unsigned char *der = (const unsigned char *)luaL_checklstring(L, 1, &length);
  const unsigned char *end = der;
  struct key *key = crypto_key_new(L);
  key->certificate = d2i_X509(NULL, &end, (long)length);
  if (key->certificate && end == der + length) key->pair = X509_get_pubkey(key->certificate);
  ERR_clear_error();
  if (!key->pair) return lib_fail(L, "it is not an X.509 certificate (DER)");
  const char *problem = rsa_key_problem(key);
  return problem ? lib_fail(L, "%s", problem) : 1;
}

/* ---- public keys ---- */

static BIGNUM *decode_big_number(const char *text, size_t length) {
  char bytes[MAX_RSA_BITS / 8 * 2];
  size_t size = length && length <= sizeof bytes ? base64_decode(text, length, bytes) : SIZE_MAX;
  return size == SIZE_MAX ? NULL : BN_bin2bn((const unsigned char *)bytes, (int)size, NULL);
}

/* Return the RSA public key with modulus n and exponent e, or NULL. */
static EVP_PKEY *make_rsa_public_key(const BIGNUM *n, const BIGNUM *e) {
  EVP_PKEY *pair = NULL;
  OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
  EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
  OSSL_PARAM *parameters = NULL;
  if (builder && context && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) &&
      OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e))
    parameters = OSSL_PARAM_BLD_to_param(builder);
  if (parameters && EVP_PKEY_fromdata_init(context) > 0)
    EVP_PKEY_fromdata(context, &pair, EVP_PKEY_PUBLIC_KEY, parameters);
  OSSL_PARAM_free(parameters);
  EVP_PKEY_CTX_free(context);
  OSSL_PARAM_BLD_free(builder);
  return pair;
}

/* crypto.public_key(n, e) -> key | nil, message */
int crypto_certificate_public_key(lua_State *L) {
  size_t n_length, e_length;
  const char *n_text = luaL_checklstring(L, 1, &n_length);
  const char *e_text = luaL_checklstring(L, 2, &e_length);
  struct key *key = crypto_key_new(L);
  BIGNUM *n = decode_big_number(n_text, n_length), *e = decode_big_number(e_text, e_length);
  if (n && e) key->pair = make_rsa_public_key(n, e);
  BN_free(n);
  BN_free(e);
  ERR_clear_error();
  if (!key->pair) return lib_fail(L, "the modulus and the exponent do not make an RSA key");
  const char *problem = rsa_key_problem(key);
  return problem ? lib_fail(L, "%s", problem) : 1;
}

/* ---- describing ---- */

static void set_certificate_time(lua_State *L, const char *name, const ASN1_TIME *at) {
  struct tm parts = {0};
  if (!ASN1_TIME_to_tm(at, &parts)) return;
  lua_pushinteger(L, (lua_Integer)timegm(&parts));
  lua_setfield(L, -2, name);
}

static void set_certificate_digest(lua_State *L, const char *name, const X509 *certificate, const EVP_MD *algorithm) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (!X509_digest(certificate, algorithm, digest, &size))
    luaL_error(L, "cannot compute a certificate's digest: OpenSSL failed");
  lua_pushlstring(L, (const char *)digest, size);
  lua_setfield(L, -2, name);
}

/* Set the field subject: the certificate's subject in the form of RFC 2253, cut at 511 bytes. */
static void set_certificate_subject(lua_State *L, const X509 *certificate) {
  char text[512] = "";
  BIO *bio = BIO_new(BIO_s_mem());
  if (bio && X509_NAME_print_ex(bio, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
    int length = BIO_read(bio, text, sizeof text - 1);
    text[length > 0 ? length : 0] = '\0';
  }
  BIO_free(bio);
  lua_pushstring(L, text);
  lua_setfield(L, -2, "subject");
}

static void set_certificate_der(lua_State *L, X509 *certificate) {
  int size = i2d_X509(certificate, NULL);
  if (size < 0) luaL_error(L, "cannot encode a certificate as DER: OpenSSL failed");
  luaL_Buffer out;
  unsigned char *space = (unsigned char *)luaL_buffinitsize(L, &out, (size_t)size);
  i2d_X509(certificate, &space);
  luaL_pushresultsize(&out, (size_t)size);
  lua_setfield(L, -2, "der");
}

/* key:describe() -> table | nothing when the key has no certificate */
int crypto_certificate_describe(lua_State *L) {
  const struct key *key = crypto_key_check(L, 1);
  if (!key->certificate) return 0;
  lua_newtable(L);
  set_certificate_subject(L, key->certificate);
  set_certificate_time(L, "not_before", X509_get0_notBefore(key->certificate));
  set_certificate_time(L, "not_after", X509_get0_notAfter(key->certificate));
  set_certificate_digest(L, "sha1", key->certificate, EVP_sha1());
  set_certificate_digest(L, "sha256", key->certificate, EVP_sha256());
  set_certificate_der(L, key->certificate);
  return 1;
}
