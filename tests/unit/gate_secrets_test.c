/* The places of a body that may hold a secret, for peers whose places a rule declares. */
#include "gate_internal.h"
#include "secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Return the kind of refusal for a secret of this kind ('v', 'c', 'p') at this path, or NULL. */
static const char *check_secret_place(const char *declared, char kind, const char *path, char *message, size_t size) {
  struct call call = {.method = "POST", .path = "/v1/kv/data/a"};
  buffer_append(&call.secrets, &kind, 1);
  buffer_append(&call.secrets, path, strlen(path) + 1);
  const char *refusal = gate_secrets_refuse("vault", &call, declared, message, size);
  buffer_free(&call.secrets);
  return refusal;
}

static void a_value_goes_to_declared_places_only(void **state) {
  static const struct {
    const char *declared, *path;
    int allowed;
  } cases[] = {
      {"data.*", "data.password", 1},
      {"data.*", "data.a?b", 1},
      {"data.*", "data", 0},
      {"data.*", "data.a.b", 0},
      {"data.*", "other.a", 0},
      {"data.*", "", 0},
      {"data.password", "data.pass", 0},
      {"data.password", "data.password", 1},
      {"data.a?b", "data.a?b", 0},
      {"token,data.*", "token", 1},
      {"token,data.*", "data.x", 1},
      {"token,data.*", "token.x", 0},
      {"*", "anything", 1},
      {"*", "a.b", 0},
      {"keys[1]", "keys[1]", 1},
      {"keys[1]", "keys[2]", 0},
      {NULL, "data.password", 0},
      {"", "data.password", 0},
  };
  char message[512];
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const char *kind = check_secret_place(cases[i].declared, 'v', cases[i].path, message, sizeof message);
    if ((kind == NULL) != cases[i].allowed)
      fail_msg("%s at %s: %s", cases[i].declared ? cases[i].declared : "(none)", cases[i].path,
               kind ? kind : "allowed");
  }
  assert_string_equal(check_secret_place("data.*", 'v', "name", message, sizeof message), "secret");
  assert_string_equal(message, "POST /v1/kv/data/a would send a secret in 'name': in the body of this call data.* may "
                               "hold a secret");
  assert_string_equal(check_secret_place("data.*", 'v', "", message, sizeof message), "secret");
  assert_string_equal(message, "POST /v1/kv/data/a would send a secret in 'its whole body': in the body of this call "
                               "data.* may hold a secret");
}

static void a_credential_or_a_proof_goes_to_no_declared_place(void **state) {
  char message[512];
  (void)state;
  assert_string_equal(check_secret_place("*", 'c', "token", message, sizeof message), "secret");
  assert_non_null(strstr(message, "a credential of a sign-in is never part of a body"));
  assert_string_equal(check_secret_place("*", 'p', "token", message, sizeof message), "secret");
}

/* A rule's declaration is ignored for peers whose places are known. */
static void no_rule_adds_a_place_at_graph_or_devolutions(void **state) {
  static const char *const peers[] = {"graph", "devolutions"};
  char message[512];
  (void)state;
  for (size_t i = 0; i < 2; i++) {
    struct call call = {.method = "PATCH", .path = "/users/1"};
    buffer_append(&call.secrets, "vdisplayName", sizeof "vdisplayName");
    assert_string_equal(gate_secrets_refuse(peers[i], &call, "displayName", message, sizeof message), "secret");
    buffer_free(&call.secrets);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_value_goes_to_declared_places_only),
      cmocka_unit_test(a_credential_or_a_proof_goes_to_no_declared_place),
      cmocka_unit_test(no_rule_adds_a_place_at_graph_or_devolutions),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
