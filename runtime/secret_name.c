/* The table of secret names; see secret_name.h. Sources: learn.microsoft.com
 * ("Microsoft identity platform and OAuth 2.0", "application: addPassword"),
 * and Devolutions' open clients go-dvls and ansible-dvls (entry types). */
#include "secret_name.h"

#include <string.h>

enum { JSON = NAMED_IN_JSON, ENTRY = NAMED_IN_ENTRY, FORM = NAMED_IN_FORM | MASKED_IN_FORM };

const struct secret_name secret_names[] = {
    /* OAuth */
    {"access_token", SECRET_CREDENTIAL, JSON},
    {"refresh_token", SECRET_CREDENTIAL, JSON | FORM},
    {"id_token", SECRET_CREDENTIAL, JSON | FORM},
    {"client_secret", SECRET_CREDENTIAL, JSON | FORM},
    {"client_assertion", SECRET_CREDENTIAL, JSON | FORM},
    {"device_code", SECRET_CREDENTIAL, JSON | FORM},
    {"code", SECRET_CREDENTIAL, FORM},
    {"code_verifier", SECRET_CREDENTIAL, MASKED_IN_FORM}, /* the emulator has to compute its digest */
    /* Microsoft Graph */
    {"secretText", SECRET_VALUE, JSON},
    {"newPassword", SECRET_VALUE, JSON},
    /* Microsoft Graph and Devolutions */
    {"password", SECRET_VALUE, JSON | ENTRY | FORM},
    /* Devolutions: signing in */
    {"appSecret", SECRET_CREDENTIAL, JSON | FORM},
    {"AppSecret", SECRET_CREDENTIAL, FORM},
    {"tokenId", SECRET_CREDENTIAL, JSON},
    /* Devolutions: entries */
    {"clientSecret", SECRET_VALUE, JSON | ENTRY},
    {"apiKey", SECRET_VALUE, ENTRY},
    {"connectionString", SECRET_VALUE, ENTRY},
    {"privateKeyData", SECRET_VALUE, ENTRY},
    {"privateKeyOverridePassword", SECRET_VALUE, ENTRY},
    {"privateKeyPassPhrase", SECRET_VALUE, ENTRY},
    {NULL, SECRET_CREDENTIAL, 0},
};

const struct secret_name *secret_name_find(const char *name, size_t length, unsigned uses) {
  for (const struct secret_name *entry = secret_names; entry->name; entry++)
    if ((entry->uses & uses) && *entry->name == *name && strncmp(entry->name, name, length) == 0 &&
        !entry->name[length])
      return entry;
  return NULL;
}
