/* Encrypt a secret to a recipient of age (c2sp.org/age, age-encryption.org/v1, recipients of type X25519). The holder
 * of the identity decrypts the file with age or rage; Moonlatch cannot.
 *
 * A file is a header, which carries a file key for the recipient, and a payload, which is encrypted with that key in
 * chunks of 64 KiB. A secret is shorter than a chunk, so the payload is one chunk. */
#include "crypto.h"

#include "base64.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <string.h>

enum {
  AGE_POINT = 32,    /* bytes of a public key of X25519, and of the shared secret */
  AGE_FILE_KEY = 16, /* bytes of a file key */
  AGE_NONCE = 16,    /* bytes of the nonce that a payload begins with */
  AGE_TAG = 16,      /* bytes of the tag of ChaCha20-Poly1305 */
  AGE_CHUNK = 65536, /* bytes of the longest chunk */
  AGE_TEXT = 58,     /* characters of a recipient behind "age1": 52 of data, 6 of the checksum */
  AGE_HEADER = 512   /* bytes that a header of one recipient does not reach */
};

static const char LABEL[] = "age-encryption.org/v1/X25519";

/* ---- recipients: Bech32 (BIP 173) ---- */

static uint32_t bech32_step(uint32_t sum, unsigned value) {
  static const uint32_t generator[] = {0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3};
  uint32_t top = sum >> 25;
  sum = (sum & 0x1ffffff) << 5 ^ value;
  for (int i = 0; i < 5; i++)
    if (top >> i & 1) sum ^= generator[i];
  return sum;
}

static uint32_t bech32_prefix_sum(void) {
  uint32_t sum = 1;
  for (const char *at = "age"; *at; at++) sum = bech32_step(sum, (unsigned)*at >> 5);
  sum = bech32_step(sum, 0);
  for (const char *at = "age"; *at; at++) sum = bech32_step(sum, (unsigned)*at & 31);
  return sum;
}

/* Decode the 58 characters behind "age1" into the public key; 0 when they are not a recipient. */
static int decode_recipient(const char *text, unsigned char point[AGE_POINT]) {
  static const char letters[] = "qpzry9x8gf2tvdw0s3jn54khce6mua7l";
  uint32_t sum = bech32_prefix_sum(), bits = 0;
  int count = 0, length = 0;
  for (int i = 0; i < AGE_TEXT; i++) {
    const char *found = text[i] ? strchr(letters, text[i]) : NULL;
    if (!found) return 0;
    unsigned value = (unsigned)(found - letters);
    sum = bech32_step(sum, value);
    if (i >= AGE_TEXT - 6) continue;
    bits = bits << 5 | value;
    count += 5;
    if (count >= 8) point[length++] = (unsigned char)(bits >> (count -= 8));
  }
  return sum == 1 && length == AGE_POINT && !(bits & ((1u << count) - 1));
}

const char *crypto_age_recipient(const char *text, size_t length) {
  const char *found = memmem(text, length, "age1", 4);
  return found && (size_t)(text + length - found) >= 4 + AGE_TEXT ? found + 4 : NULL;
}

/* ---- primitives ---- */

/* HKDF-SHA-256 (RFC 5869) into 32 bytes; 0 when OpenSSL fails. */
static int derive(const unsigned char *key, size_t key_length, const unsigned char *salt, size_t salt_length,
                  const char *info, unsigned char out[32]) {
  EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
  EVP_KDF_CTX *context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
  OSSL_PARAM parameters[] = {OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)"SHA256", 0),
                             OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, key_length),
                             OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, strlen(info)),
                             salt_length
                                 ? OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_length)
                                 : OSSL_PARAM_construct_end(),
                             OSSL_PARAM_construct_end()};
  int ok = context && EVP_KDF_derive(context, out, 32, parameters) > 0;
  EVP_KDF_CTX_free(context);
  EVP_KDF_free(kdf);
  return ok;
}

/* ChaCha20-Poly1305 (RFC 8439) without additional data: length bytes and the tag into out; 0 when OpenSSL fails. */
static int encrypt(const unsigned char key[32], const unsigned char nonce[12], const void *text, size_t length,
                   unsigned char *out) {
  int written, last;
  EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
  int ok = context && EVP_EncryptInit_ex(context, EVP_chacha20_poly1305(), NULL, key, nonce) &&
           EVP_EncryptUpdate(context, out, &written, text, (int)length) &&
           EVP_EncryptFinal_ex(context, out + written, &last) &&
           EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, AGE_TAG, out + length);
  EVP_CIPHER_CTX_free(context);
  return ok;
}

/* Make a key pair of X25519: its public half into share, and the secret that it shares with the point into shared; 0
 * when OpenSSL fails, or when the point is one of those with which nothing can be shared. */
static int share_secret(const unsigned char point[AGE_POINT], unsigned char share[AGE_POINT],
                        unsigned char shared[AGE_POINT]) {
  size_t size = AGE_POINT, shared_size = AGE_POINT;
  EVP_PKEY *own = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
  EVP_PKEY *theirs = EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, NULL, point, AGE_POINT);
  EVP_PKEY_CTX *context = own ? EVP_PKEY_CTX_new(own, NULL) : NULL;
  int ok = theirs && context && EVP_PKEY_get_raw_public_key(own, share, &size) > 0 &&
           EVP_PKEY_derive_init(context) > 0 && EVP_PKEY_derive_set_peer(context, theirs) > 0 &&
           EVP_PKEY_derive(context, shared, &shared_size) > 0;
  EVP_PKEY_CTX_free(context);
  EVP_PKEY_free(theirs);
  EVP_PKEY_free(own);
  return ok;
}

/* ---- the file ---- */

struct age_keys {
  unsigned char file[AGE_FILE_KEY], shared[AGE_POINT], wrapping[32], header[32], payload[32];
};

struct age_out {
  char *bytes;
  size_t length;
};

static void add(struct age_out *out, const void *bytes, size_t length) {
  memcpy(out->bytes + out->length, bytes, length);
  out->length += length;
}

/* Base64 without padding. */
static void add_base64(struct age_out *out, const unsigned char *bytes, size_t length) {
  out->length += base64_encode((const char *)bytes, length, 0, out->bytes + out->length);
  while (out->bytes[out->length - 1] == '=') out->length--;
}

/* Write the header for the recipient; 0 when OpenSSL fails. */
static int write_header(struct age_keys *keys, const unsigned char point[AGE_POINT], struct age_out *out) {
  static const unsigned char zero[12];
  unsigned char salt[2 * AGE_POINT], wrapped[AGE_FILE_KEY + AGE_TAG], mac[32];
  unsigned size = sizeof mac;
  if (!share_secret(point, salt, keys->shared)) return 0;
  memcpy(salt + AGE_POINT, point, AGE_POINT);
  if (!derive(keys->shared, AGE_POINT, salt, sizeof salt, LABEL, keys->wrapping)) return 0;
  if (!encrypt(keys->wrapping, zero, keys->file, AGE_FILE_KEY, wrapped)) return 0;
  add(out, "age-encryption.org/v1\n-> X25519 ", 32);
  add_base64(out, salt, AGE_POINT);
  add(out, "\n", 1);
  add_base64(out, wrapped, sizeof wrapped);
  add(out, "\n---", 4);
  if (!derive(keys->file, AGE_FILE_KEY, NULL, 0, "header", keys->header)) return 0;
  if (!HMAC(EVP_sha256(), keys->header, 32, (unsigned char *)out->bytes, out->length, mac, &size)) return 0;
  add(out, " ", 1);
  add_base64(out, mac, sizeof mac);
  add(out, "\n", 1);
  return 1;
}

/* Write the payload as its only chunk, whose number is 0 and which is marked as the last one; 0 when OpenSSL fails. */
static int write_payload(struct age_keys *keys, const struct secret *value, struct age_out *out) {
  static const unsigned char last_chunk[12] = {[11] = 1};
  unsigned char nonce[AGE_NONCE];
  if (RAND_bytes(nonce, sizeof nonce) != 1) return 0;
  if (!derive(keys->file, AGE_FILE_KEY, nonce, sizeof nonce, "payload", keys->payload)) return 0;
  add(out, nonce, sizeof nonce);
  if (!encrypt(keys->payload, last_chunk, value->bytes, value->length, (unsigned char *)out->bytes + out->length))
    return 0;
  out->length += value->length + AGE_TAG;
  return 1;
}

const char *crypto_age_seal(lua_State *L, const char *recipient, const struct secret *value) {
  struct age_keys keys;
  unsigned char point[AGE_POINT];
  if (!decode_recipient(recipient, point)) return "its recipient of age is mistyped";
  if (value->length > AGE_CHUNK) return "the value is longer than 64 KiB";
  struct secret *file = secret_reserve(L, value->kind, AGE_HEADER + AGE_NONCE + value->length + AGE_TAG);
  struct age_out out = {file->bytes, 0};
  int ok = RAND_priv_bytes(keys.file, sizeof keys.file) == 1 && write_header(&keys, point, &out) &&
           write_payload(&keys, value, &out);
  OPENSSL_cleanse(&keys, sizeof keys);
  if (!ok) return "nothing can be encrypted to its recipient of age";
  file->length = out.length;
  secret_register(L);
  return NULL;
}
