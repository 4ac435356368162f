/* host.httpd.identity: a certificate authority of this process, name-constrained to loopback, and the one server
 * certificate that it issues.
 *
 * To trust the authority's certificate is no risk: its name constraint is critical, its key is freed before
 * identity() returns, and the server's key never leaves memory.
 */
#include "httpd_internal.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#define DAY 86400L
#define LIFETIME (397 * DAY)
#define NAMES "DNS:localhost,IP:127.0.0.1,IP:::1"
#define CONSTRAINTS                                                                                                    \
  "critical,permitted;DNS:localhost,permitted;IP:127.0.0.0/255.0.0.0,"                                                 \
  "permitted;IP:::1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"

struct identity {
  SSL_CTX *context; /* has the server's certificate and key; NULL once closed */
  X509 *authority;
};

struct extension {
  int nid;
  const char *value;
};

static struct identity *check_identity(lua_State *L, int index) {
  struct identity *identity = luaL_checkudata(L, index, HTTPD_IDENTITY);
  luaL_argcheck(L, identity->context, index, "identity is closed");
  return identity;
}

SSL_CTX *httpd_identity_context(lua_State *L, int index) {
  return check_identity(L, index)->context;
}

void httpd_identity_free_pair(struct certificate_pair *pair) {
  X509_free(pair->certificate);
  EVP_PKEY_free(pair->key);
  *pair = (struct certificate_pair){0};
}

static int set_identity_serial(X509 *certificate) {
  BIGNUM *number = BN_new();
  int ok = number && BN_rand(number, 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
           BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate));
  BN_free(number);
  return ok;
}

/* Make a key and an unsigned certificate with this common name. The certificate is valid from yesterday, because
 * clients' clocks differ. */
static int make_identity_pair(struct certificate_pair *pair, const char *common_name) {
  pair->key = EVP_EC_gen("P-256");
  pair->certificate = X509_new();
  if (!pair->key || !pair->certificate) return 0;
  X509_NAME *name = X509_get_subject_name(pair->certificate);
  return X509_set_version(pair->certificate, X509_VERSION_3) && set_identity_serial(pair->certificate) &&
         X509_gmtime_adj(X509_getm_notBefore(pair->certificate), -DAY) &&
         X509_gmtime_adj(X509_getm_notAfter(pair->certificate), LIFETIME) &&
         X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0) &&
         X509_set_pubkey(pair->certificate, pair->key);
}

static int add_identity_extensions(X509 *certificate, X509 *issuer, const struct extension *extensions) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
  for (; extensions->value; extensions++) {
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, extensions->nid, extensions->value);
    int ok = extension && X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    if (!ok) return 0;
  }
  return 1;
}

int httpd_identity_make_authority(struct certificate_pair *authority) {
  static const struct extension extensions[] = {
      {NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
      {NID_key_usage, "critical,keyCertSign,cRLSign"},
      {NID_name_constraints, CONSTRAINTS},
      {NID_subject_key_identifier, "hash"},
      {0, NULL},
  };
  if (!make_identity_pair(authority, "Moonlatch emulator (loopback only)")) return 0;
  X509 *certificate = authority->certificate;
  return X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) &&
         add_identity_extensions(certificate, certificate, extensions) &&
         X509_sign(certificate, authority->key, EVP_sha256());
}

int httpd_identity_issue(const struct certificate_pair *authority, const char *names, struct certificate_pair *leaf) {
  const struct extension extensions[] = {
      {NID_basic_constraints, "critical,CA:FALSE"},
      {NID_key_usage, "critical,digitalSignature"},
      {NID_ext_key_usage, "serverAuth"},
      {NID_subject_alt_name, names},
      {NID_subject_key_identifier, "hash"},
      {NID_authority_key_identifier, "keyid:always"},
      {0, NULL},
  };
  return make_identity_pair(leaf, "localhost") &&
         X509_set_issuer_name(leaf->certificate, X509_get_subject_name(authority->certificate)) &&
         add_identity_extensions(leaf->certificate, authority->certificate, extensions) &&
         X509_sign(leaf->certificate, authority->key, EVP_sha256());
}

/* ALPN callback: the server speaks only HTTP/1.1; without an answer a client may choose HTTP/2. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_length, const unsigned char *in,
                   unsigned int in_length, void *argument) {
  static const unsigned char offered[] = "\x08http/1.1";
  unsigned char *chosen;
  (void)ssl;
  (void)argument;
  int found = SSL_select_next_proto(&chosen, out_length, offered, sizeof offered - 1, in, in_length);
  *out = chosen;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

static int fill_identity(struct identity *identity, struct certificate_pair *authority, struct certificate_pair *leaf) {
  identity->context = SSL_CTX_new(TLS_server_method());
  if (!identity->context) return 0;
  SSL_CTX_set_alpn_select_cb(identity->context, on_alpn, NULL);
  if (!httpd_identity_make_authority(authority) || !httpd_identity_issue(authority, NAMES, leaf)) return 0;
  identity->authority = authority->certificate;
  X509_up_ref(identity->authority);
  return SSL_CTX_set_min_proto_version(identity->context, TLS1_2_VERSION) &&
         SSL_CTX_use_certificate(identity->context, leaf->certificate) &&
         SSL_CTX_use_PrivateKey(identity->context, leaf->key);
}

/* httpd.identity() -> identity */
int httpd_identity(lua_State *L) {
  struct certificate_pair authority = {0}, leaf = {0};
  struct identity *identity = lib_new(L, sizeof *identity, HTTPD_IDENTITY);
  int ok = fill_identity(identity, &authority, &leaf);
  httpd_identity_free_pair(&authority);
  httpd_identity_free_pair(&leaf);
  if (!ok) return luaL_error(L, "cannot make a server certificate: OpenSSL failed");
  return 1;
}

/* identity:ca() -> PEM */
static int identity_ca(lua_State *L) {
  struct identity *identity = check_identity(L, 1);
  char text[4096];
  BIO *memory = BIO_new(BIO_s_mem());
  if (!memory) return lib_no_memory(L);
  PEM_write_bio_X509(memory, identity->authority);
  int length = BIO_read(memory, text, sizeof text);
  BIO_free(memory); /* before a Lua function can raise an error */
  lua_pushlstring(L, text, length > 0 ? (size_t)length : 0);
  return 1;
}

/* identity:close(), __close and __gc. Servers keep their own reference. */
static int identity_close(lua_State *L) {
  struct identity *identity = luaL_checkudata(L, 1, HTTPD_IDENTITY);
  SSL_CTX_free(identity->context);
  X509_free(identity->authority);
  *identity = (struct identity){0};
  return 0;
}

void httpd_identity_type(lua_State *L) {
  static const luaL_Reg methods[] = {{"ca", identity_ca}, {"close", identity_close}, {NULL, NULL}};
  lib_type(L, HTTPD_IDENTITY, methods, identity_close);
}
