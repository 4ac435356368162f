/* Write a private key and its certificate in the forms that other programs read: PEM (RFC 7468, the key as PKCS#8) and
 * PKCS#12 (RFC 7292). */
#include "crypto.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>

static const char *const forms[] = {"pem", "key", "pkcs12", "certificate", NULL};
enum export_form { EXPORT_PEM, EXPORT_KEY, EXPORT_PKCS12, EXPORT_CERTIFICATE };

/* With OpenSSL's default algorithms: AES-256-CBC with PBKDF2, and a MAC with SHA-256. Without a passphrase, the empty
 * one. */
static int write_pkcs12(BIO *bio, const struct key *key, const struct secret *passphrase) {
  PKCS12 *file =
      PKCS12_create(passphrase ? passphrase->bytes : "", NULL, key->pair, key->certificate, NULL, 0, 0, 0, 0, 0);
  int ok = file && i2d_PKCS12_bio(bio, file);
  PKCS12_free(file);
  return ok;
}

static int write_form(BIO *bio, const struct key *key, enum export_form form, const struct secret *passphrase) {
  if (form == EXPORT_PKCS12) return write_pkcs12(bio, key, passphrase);
  if (form != EXPORT_CERTIFICATE && !PEM_write_bio_PrivateKey(bio, key->pair, NULL, NULL, 0, NULL, NULL)) return 0;
  return form == EXPORT_KEY || PEM_write_bio_X509(bio, key->certificate);
}

/* Push what the BIO holds, as a secret of the key's kind. [-0, +1, e] */
static int push_exported_secret(lua_State *L, BIO *bio, const struct key *key) {
  int length = BIO_pending(bio);
  struct secret *out = secret_reserve(L, key->kind, (size_t)length);
  if (BIO_read(bio, out->bytes, length) != length) return 0;
  secret_register(L);
  return 1;
}

static int push_exported_text(lua_State *L, BIO *bio) {
  luaL_Buffer text;
  int length = BIO_pending(bio);
  char *space = luaL_buffinitsize(L, &text, (size_t)length);
  int ok = BIO_read(bio, space, length) == length;
  luaL_pushresultsize(&text, (size_t)length);
  return ok;
}

struct bio_owner {
  BIO *bio; /* NULL once it is released */
};

/* Push an owner of a new BIO on the secure heap, so that an error frees the BIO. [-0, +1, e] */
static struct bio_owner *push_secure_bio(lua_State *L) {
  struct bio_owner *owner = lib_new(L, sizeof *owner, "host.crypto.bio");
  owner->bio = BIO_new(BIO_s_secmem());
  if (!owner->bio) lib_no_memory(L);
  return owner;
}

/* Free the BIO, which wipes its content. */
static void release_bio(struct bio_owner *owner) {
  BIO_free(owner->bio);
  owner->bio = NULL;
}

static int close_bio(lua_State *L) {
  release_bio(lua_touserdata(L, 1));
  return 0;
}

void crypto_export_type(lua_State *L) {
  static const luaL_Reg methods[] = {{NULL, NULL}};
  lib_type(L, "host.crypto.bio", methods, close_bio);
}

void crypto_export_pem(lua_State *L, const struct key *key) {
  struct bio_owner *owner = push_secure_bio(L);
  if (!write_form(owner->bio, key, EXPORT_PEM, NULL) || !push_exported_secret(L, owner->bio, key))
    luaL_error(L, "cannot write the key and its certificate as PEM: OpenSSL failed");
  release_bio(owner);
}

/* key:export(form, passphrase) -> secret; the certificate as text */
int crypto_export(lua_State *L) {
  const struct key *key = crypto_key_check(L, 1);
  int form = luaL_checkoption(L, 2, NULL, forms);
  const struct secret *passphrase = lua_isnoneornil(L, 3) ? NULL : secret_check(L, 3);
  luaL_argcheck(L, key->certificate, 1, "a key with its certificate is expected");
  luaL_argcheck(L, form == EXPORT_CERTIFICATE || key->is_secret, 1, "a key that was read from a secret is expected");
  luaL_argcheck(L, !passphrase || form == EXPORT_PKCS12, 3, "only PKCS#12 has a passphrase");
  struct bio_owner *owner = push_secure_bio(L);
  int ok = write_form(owner->bio, key, (enum export_form)form, passphrase);
  ok =
      ok && (form == EXPORT_CERTIFICATE ? push_exported_text(L, owner->bio) : push_exported_secret(L, owner->bio, key));
  release_bio(owner);
  ERR_clear_error();
  return ok ? 1 : luaL_error(L, "cannot write the key and its certificate: OpenSSL failed");
}
