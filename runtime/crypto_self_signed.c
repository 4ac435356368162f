/* Make a key pair and its self-signed certificate (RFC 5280), for an application that signs in with the certificate.
 * Entra checks the key and the dates, and no chain. */
#include "crypto.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <string.h>

enum { RSA_BITS = 3072, SERIAL_BITS = 127, MAX_NAME = 64 };

static int set_self_signed_serial(X509 *certificate) {
  BIGNUM *number = BN_new();
  int ok = number && BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
           BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  return ok;
}

static int set_self_signed_names(X509 *certificate, const char *name) {
  X509_NAME *subject = X509_get_subject_name(certificate);
  return X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0) &&
         X509_set_issuer_name(certificate, subject);
}

static int add_self_signed_extension(X509 *certificate, int nid, const char *value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
  X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
  int ok = extension && X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
  return ok;
}

static int set_self_signed_validity(X509 *certificate, lua_Integer from, lua_Integer until) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), (time_t)from) &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), (time_t)until);
}

/* Fill key with a new key pair and its certificate; 0 when OpenSSL fails. */
static int make_self_signed(struct key *key, const char *name, lua_Integer from, lua_Integer until) {
  key->pair = EVP_RSA_gen(RSA_BITS);
  key->certificate = X509_new();
  return key->pair && key->certificate && X509_set_version(key->certificate, X509_VERSION_3) &&
         set_self_signed_serial(key->certificate) && set_self_signed_names(key->certificate, name) &&
         set_self_signed_validity(key->certificate, from, until) && X509_set_pubkey(key->certificate, key->pair) &&
         add_self_signed_extension(key->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
         add_self_signed_extension(key->certificate, NID_key_usage, "critical,digitalSignature") &&
         add_self_signed_extension(key->certificate, NID_subject_key_identifier, "hash") &&
         X509_sign(key->certificate, key->pair, EVP_sha256()) > 0;
}

/* crypto.self_signed(name, from, until) -> secret */
int crypto_self_signed(lua_State *L) {
  size_t length;
  const char *name = luaL_checklstring(L, 1, &length);
  lua_Integer from = luaL_checkinteger(L, 2);
  lua_Integer until = luaL_checkinteger(L, 3);
  luaL_argcheck(L, length && length <= MAX_NAME && strlen(name) == length, 1, "1 to 64 bytes, none of them 0");
  luaL_argcheck(L, until > from, 3, "the certificate would expire before it is valid");
  struct key *key = crypto_key_new(L);
  if (!make_self_signed(key, name, from, until))
    return luaL_error(L, "cannot make a self-signed certificate: OpenSSL failed");
  key->kind = SECRET_VALUE;
  crypto_export_pem(L, key);
  return 1;
}
