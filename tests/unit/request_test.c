/* Requests, answers and credentials refuse URLs, headers and values that could change a request. */
#include "request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int open_request_state(void **state) {
  lua_State *L = luaL_newstate();
  request_types(L);
  *state = L;
  return 0;
}

static int close_request_state(void **state) {
  lua_close(*state);
  return 0;
}

/* Call body(text, more) in a protected call; return the error message, or NULL. */
static const char *error_of(lua_State *L, lua_CFunction body, const char *text, const char *more) {
  lua_settop(L, 0);
  lua_pushcfunction(L, body);
  lua_pushstring(L, text);
  lua_pushstring(L, more);
  return lua_pcall(L, 2, 0, 0) == LUA_OK ? NULL : lua_tostring(L, -1);
}

static int make_request(lua_State *L) {
  request_new(L, "graph", lua_tostring(L, 2), lua_tostring(L, 1));
  return 0;
}

static int make_global_request(lua_State *L) {
  request_new(L, "graph", "GET", lua_tostring(L, 1));
  lua_setglobal(L, "made");
  return 0;
}

static int add_header(lua_State *L) {
  struct request *request = request_new(L, "graph", "GET", "https://graph.test/");
  request_add_header(L, request, lua_tostring(L, 1), lua_tostring(L, 2));
  return 0;
}

static int make_credential(lua_State *L) {
  const char *value = lua_tostring(L, 1);
  credential_new(L, "https://graph.test:443", lua_tostring(L, 2), "Bearer ", value, strlen(value));
  return 0;
}

static void urls_that_are_not_plain_https_are_refused(void **state) {
  static const char *const bad[][2] = {
      {"http://graph.test/", "does not begin with https://"},
      {"https:/graph.test/", "does not begin with https://"},
      {"graph.test/v1.0", "does not begin with https://"},
      {"", "does not begin with https://"},
      {"https:///graph.test/", "has no host"},
      {"https://graph.test\\@evil.test/", "percent-encoded"},
      {"https://user@graph.test/", "redentials"},
      {"https://graph.test@evil.test/", "redentials"},
      {"https://graph.test./", "ends with a dot"},
      {"https://graph.test%2e/", "ends with a dot"},
      {"https://gr\xc3\xa4ph.test/", "beyond ASCII"},
      {"https://gr%c3%a4ph.test/", "beyond ASCII"},
      {"https://graph.test/a b", "a space"},
      {"https://graph.test/\r\nX: 1", "control character"},
      {"https://graph.test/#top", "fragment"},
      {"https://graph.test/a/../b", "segment"},
      {"https://graph.test/a/%2E%2e/b", "segment"},
      {"https://graph.test/.", "segment"},
      {"https://graph.test:99999/", "ort number"},
      {"https://[fe80::1%25eth0]/", "zone"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    const char *message = error_of(*state, make_request, bad[i][0], "GET");
    if (!message || !strstr(message, bad[i][1])) fail_msg("%s: %s", bad[i][0], message ? message : "accepted");
  }
}

static int make_identity_request(lua_State *L) {
  lua_pushstring(L, request_new(L, "identity", lua_tostring(L, 2), lua_tostring(L, 1))->origin);
  lua_setglobal(L, "origin");
  return 0;
}

static void only_identities_are_asked_in_the_clear(void **state) {
  lua_State *L = *state;
  assert_null(error_of(L, make_identity_request, "http://169.254.169.254/metadata/identity/oauth2/token?x=1", "GET"));
  lua_getglobal(L, "origin");
  assert_string_equal(lua_tostring(L, -1), "http://169.254.169.254:80");
  assert_null(error_of(L, make_identity_request, "https://127.0.0.1:99/a", "GET"));
  assert_non_null(
      strstr(error_of(L, make_identity_request, "ftp://127.0.0.1/a", "GET"), "does not begin with https://"));
  assert_non_null(strstr(error_of(L, make_identity_request, "http:///127.0.0.1/a", "GET"), "has no host"));
  assert_non_null(strstr(error_of(L, make_identity_request, "http://me@127.0.0.1/a", "GET"), "redentials"));
  assert_int_equal(request_url_push_origin(L, "http://169.254.169.254/"), 0);
  assert_int_equal(request_url_push_peer_origin(L, "login", "http://169.254.169.254/"), 0);
  assert_int_equal(request_url_push_peer_origin(L, "identity", "http://169.254.169.254/"), 1);
}

static void an_origin_is_lower_case_and_has_its_port(void **state) {
  static const char *const good[][2] = {
      {"https://Graph.Test/v1.0?$top=1", "https://graph.test:443"},
      {"HTTPS://graph.test:0443/", "https://graph.test:443"},
      {"https://graph%2Etest:/", "https://graph.test:443"},
      {"https://127.1:8443", "https://127.0.0.1:8443"},
      {"https://[::1]:8443/a/...", "https://[::1]:8443"},
  };
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    lua_State *L = *state;
    assert_int_equal(request_url_push_origin(L, good[i][0]), 1);
    assert_string_equal(lua_tostring(L, -1), good[i][1]);
    assert_string_equal(request_new(L, "graph", "GET", good[i][0])->origin, good[i][1]);
  }
}

static void a_refused_origin_says_why(void **state) {
  lua_State *L = *state;
  assert_int_equal(request_url_push_origin(L, "https://graph.test./"), 0);
  assert_string_equal(lua_tostring(L, -1), "the URL https://graph.test./ is refused: its host ends with a dot");
}

static void a_method_is_a_token(void **state) {
  assert_null(error_of(*state, make_request, "https://graph.test/", "PATCH"));
  assert_non_null(error_of(*state, make_request, "https://graph.test/", "GET /x HTTP/1.1\r\nA:"));
  assert_non_null(error_of(*state, make_request, "https://graph.test/", ""));
}

static void headers_cannot_be_injected(void **state) {
  assert_null(error_of(*state, add_header, "Prefer", "return=minimal"));
  assert_null(error_of(*state, add_header, "Prefer", ""));
  assert_string_equal(
      error_of(*state, add_header, "Prefer", "a\r\nX-Evil: 1"),
      "cannot set header 'Prefer': its value has a line break, a control character or one beyond ASCII");
  assert_non_null(error_of(*state, add_header, "Prefer", "a\nX-Evil: 1"));
  assert_non_null(error_of(*state, add_header, "Prefer", "\xc3\xa4"));
  assert_non_null(error_of(*state, add_header, "X Evil", "1"));
  assert_non_null(error_of(*state, add_header, "X:", "1"));
  assert_string_equal(error_of(*state, add_header, "authorization", "Bearer x"),
                      "cannot set header 'authorization': it is not the request's to set");
  assert_non_null(error_of(*state, add_header, "Content-Length", "1"));
}

static void a_token_cannot_bring_headers(void **state) {
  assert_null(error_of(*state, make_credential, "eyJ0", "Authorization"));
  assert_non_null(error_of(*state, make_credential, "eyJ0\r\nX-Evil: 1", "Authorization"));
  assert_non_null(error_of(*state, make_credential, "eyJ0\nX-Evil: 1", "Authorization"));
  assert_non_null(error_of(*state, make_credential, "", "Authorization"));
  assert_non_null(error_of(*state, make_credential, "eyJ0", "Author ization"));
}

static void an_answer_finds_its_headers(void **state) {
  struct answer *answer = answer_new(*state, 200);
  assert_true(answer_add_header(answer, "Retry-After", "5"));
  assert_true(answer_add_header(answer, "ETag", ""));
  assert_string_equal(answer_header(answer, "retry-after"), "5");
  assert_string_equal(answer_header(answer, "etag"), "");
  assert_null(answer_header(answer, "retry"));
}

static int check_closed_request(lua_State *L) {
  request_new(L, "graph", "GET", "https://graph.test/");
  luaL_getmetafield(L, -1, "__close");
  lua_pushvalue(L, -2);
  lua_call(L, 1, 0);
  request_check(L, -1);
  return 0;
}

static void a_closed_request_is_refused(void **state) {
  assert_non_null(strstr(error_of(*state, check_closed_request, "", ""), "request is closed"));
}

/* Return how libcurl encodes the URL of a request, or why the URL is refused. */
static const char *encoded_url(lua_State *L, const char *url) {
  char *text = NULL;
  lua_settop(L, 0);
  const char *why = error_of(L, make_global_request, url, "");
  if (why) return why;
  lua_getglobal(L, "made");
  const struct request *request = request_check(L, -1);
  assert_int_equal(CURLUE_OK, curl_url_get(request->target->parsed, CURLUPART_URL, &text, 0));
  lua_pushfstring(L, "%s %s", request->origin, text);
  curl_free(text);
  return lua_tostring(L, -1);
}

/* A URL is parsed the same with and without a kept base. */
static void a_known_base_changes_nothing(void **state) {
  static const char *const urls[] = {
      "https://graph.test/v1.0/users/x?$select=id,displayName&$top=5",
      "https://graph.test/",
      "https://graph.test",
      "https://graph.test?x=1",
      "https://graph.test/a?",
      "https://graph.test/a??b=?",
      "https://graph.test/a/../b",
      "https://graph.test/a/.?x",
      "https://graph.test/a#b",
      "https://graph.test//a//",
      "https://graph.test/%41%2F?%2A%2a",
      "https://graph.test/a?b=/../c:80@d",
      "https://graph.test.other.test/a",
      "https://graph.test:444/a",
      "https://graph.test:443/a",
      "https://graph.test@other.test/a",
      "https://GRAPH.test/a",
      "https://graph.test/a b",
      "https://graph.test/:80/a",
      "http://graph.test/a",
  };
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    lua_State *cold = luaL_newstate();
    request_types(cold);
    assert_null(error_of(*state, make_request, "https://graph.test/v1.0/me", "GET"));
    assert_string_equal(encoded_url(cold, urls[i]), encoded_url(*state, urls[i]));
    lua_close(cold);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(urls_that_are_not_plain_https_are_refused, open_request_state,
                                      close_request_state),
      cmocka_unit_test_setup_teardown(only_identities_are_asked_in_the_clear, open_request_state, close_request_state),
      cmocka_unit_test_setup_teardown(an_origin_is_lower_case_and_has_its_port, open_request_state,
                                      close_request_state),
      cmocka_unit_test_setup_teardown(a_refused_origin_says_why, open_request_state, close_request_state),
      cmocka_unit_test_setup_teardown(a_known_base_changes_nothing, open_request_state, close_request_state),
      cmocka_unit_test_setup_teardown(a_method_is_a_token, open_request_state, close_request_state),
      cmocka_unit_test_setup_teardown(headers_cannot_be_injected, open_request_state, close_request_state),
      cmocka_unit_test_setup_teardown(a_token_cannot_bring_headers, open_request_state, close_request_state),
      cmocka_unit_test_setup_teardown(an_answer_finds_its_headers, open_request_state, close_request_state),
      cmocka_unit_test_setup_teardown(a_closed_request_is_refused, open_request_state, close_request_state),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
