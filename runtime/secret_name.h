/* The names of JSON members and form fields that hold secrets: one table for the whole program. */
#ifndef SECRET_NAME_H
#define SECRET_NAME_H

#include "secret.h"

/* The uses of a name: where a member or field of this name holds a secret. */
enum secret_use {
  NAMED_IN_JSON = 1, /* becomes a secret in every JSON text (json.c) */
  NAMED_IN_ENTRY =
      2, /* in the data of a Devolutions entry: becomes a secret (devolutions.c), and may be sent (gate_secrets.c) */
  NAMED_IN_FORM = 4, /* becomes a secret in every received form (httpd_request.c) */
  MASKED_IN_FORM = 8 /* masked in a form that a person reads (request.c) */
};

struct secret_name {
  const char *name;
  enum secret_kind kind;
  unsigned uses;
};

/* All names; the last entry has no name. */
extern const struct secret_name secret_names[];

/* Return the entry of this name for any of these uses, or NULL. */
const struct secret_name *secret_name_find(const char *name, size_t length, unsigned uses);

#endif
