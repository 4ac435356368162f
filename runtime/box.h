/* Sealed boxes: AES-256-GCM (NIST SP 800-38D) with a random nonce. Random nonces
 * are safe for 2^32 boxes under one key, far beyond what is sealed here. */
#ifndef BOX_H
#define BOX_H

#include <stddef.h>

enum { BOX_KEY = 32, BOX_NONCE = 12, BOX_TAG = 16, BOX_OVERHEAD = BOX_NONCE + BOX_TAG };

/* A part of what a box is bound to: the box opens only with the same parts. Where one part
 * ends and the next begins is not told apart. */
struct box_binding {
  const void *bytes;
  size_t length;
};

/* Seal length bytes into length + BOX_OVERHEAD bytes: nonce, ciphertext, tag. 0 when there are
 * no random bytes, no memory, or more bytes than OpenSSL takes. */
int box_seal(const unsigned char key[BOX_KEY], const struct box_binding *binding, size_t parts, const void *plain,
             size_t length, unsigned char *box);

/* Undo it: size counts the whole box, plain has room for size - BOX_OVERHEAD bytes. 0, with plain
 * wiped, when the key or the binding is another, or the box was altered. */
int box_open(const unsigned char key[BOX_KEY], const struct box_binding *binding, size_t parts,
             const unsigned char *box, size_t size, void *plain);

#endif
