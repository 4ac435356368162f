/* The names of members and form fields that hold secrets, whoever reads or
 * writes them: one table for the whole program. */
#ifndef SECRET_NAME_H
#define SECRET_NAME_H

#include "secret.h"

/* Where a name stands for a secret. */
enum secret_use {
  NAMED_IN_JSON = 1,  /* lifted from every JSON text (json.c) */
  NAMED_IN_ENTRY = 2, /* in the data of a Devolutions entry: lifted (devolutions.c), and may be sent (gate_secrets.c) */
  NAMED_IN_FORM = 4,  /* lifted from every form that comes in (httpd_request.c) */
  MASKED_IN_FORM = 8  /* masked where a form is shown (request.c) */
};

struct secret_name {
  const char *name;
  enum secret_kind kind;
  unsigned uses;
};

/* All names; the last one has no name. */
extern const struct secret_name secret_names[];

/* The entry of this name for any of these uses, or NULL. */
const struct secret_name *secret_name_find(const char *name, size_t length, unsigned uses);

#endif
