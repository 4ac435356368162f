/* The emulator's certificate authority vouches for loopback only: clients are told to trust its certificate. */
#include "httpd_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/x509_vfy.h>

/* Issue a certificate for these names, and return the result of OpenSSL's verification. */
static int verify_certificate_for(const char *names) {
  struct certificate_pair authority = {0}, leaf = {0};
  assert_true(httpd_identity_make_authority(&authority));
  assert_true(httpd_identity_issue(&authority, names, &leaf));
  X509_STORE *store = X509_STORE_new();
  X509_STORE_CTX *context = X509_STORE_CTX_new();
  assert_true(X509_STORE_add_cert(store, authority.certificate));
  assert_true(X509_STORE_CTX_init(context, store, leaf.certificate, NULL));
  X509_verify_cert(context);
  int error = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  httpd_identity_free_pair(&leaf);
  httpd_identity_free_pair(&authority);
  return error;
}

static void loopback_is_vouched_for(void **state) {
  (void)state;
  assert_int_equal(verify_certificate_for("DNS:localhost,IP:127.0.0.1,IP:::1"), X509_V_OK);
  assert_int_equal(verify_certificate_for("IP:127.9.9.9"), X509_V_OK);
}

static void other_hosts_are_not(void **state) {
  (void)state;
  assert_int_equal(verify_certificate_for("DNS:login.microsoftonline.com"), X509_V_ERR_PERMITTED_VIOLATION);
  assert_int_equal(verify_certificate_for("DNS:localhost,DNS:example.org"), X509_V_ERR_PERMITTED_VIOLATION);
  assert_int_equal(verify_certificate_for("DNS:localhost,IP:192.0.2.1"), X509_V_ERR_PERMITTED_VIOLATION);
  assert_int_equal(verify_certificate_for("DNS:localhost,IP:2001:db8::1"), X509_V_ERR_PERMITTED_VIOLATION);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(loopback_is_vouched_for), cmocka_unit_test(other_hosts_are_not)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
