/* Sealed boxes: AES-256-GCM (NIST SP 800-38D) with a random nonce. Random nonces are safe for 2^32 boxes under one
 * key; a journal seals far fewer. */
#ifndef BOX_H
#define BOX_H

#include <stddef.h>

enum { BOX_KEY = 32, BOX_NONCE = 12, BOX_TAG = 16, BOX_OVERHEAD = BOX_NONCE + BOX_TAG };

/* One part of the data that a box is bound to: the box opens only when the same parts are given again. The parts are
 * joined without a separator. */
struct box_binding {
  const void *bytes;
  size_t length;
};

/* Seal length bytes of plain into box, which has room for length + BOX_OVERHEAD bytes: nonce, ciphertext, tag. 0 when
 * random bytes or memory are out, or when length is more than OpenSSL accepts. */
int box_seal(const unsigned char key[BOX_KEY], const struct box_binding *binding, size_t parts, const void *plain,
             size_t length, unsigned char *box);

/* Open a box of size bytes into plain, which has room for size - BOX_OVERHEAD bytes. 0, with plain wiped, when the
 * key or the binding differs, or the box was altered. */
int box_open(const unsigned char key[BOX_KEY], const struct box_binding *binding, size_t parts,
             const unsigned char *box, size_t size, void *plain);

#endif
