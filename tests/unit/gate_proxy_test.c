/* The gate's check of a proxy's address while memory is out. */
#include "gate_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int allocations_left = -1; /* number of libcurl's allocations that succeed; -1 for all */

static int may_allocate(void) {
  if (allocations_left == 0) return 0;
  if (allocations_left > 0) allocations_left--;
  return 1;
}

static void *some_malloc(size_t size) {
  return may_allocate() ? malloc(size) : NULL;
}

static void *some_realloc(void *block, size_t size) {
  return may_allocate() ? realloc(block, size) : NULL;
}

static char *some_strdup(const char *text) {
  return may_allocate() ? strdup(text) : NULL;
}

static void *some_calloc(size_t number, size_t size) {
  return may_allocate() ? calloc(number, size) : NULL;
}

static const char *proxy_problem_after(const char *proxy, int allocations) {
  allocations_left = allocations;
  const struct peer peer = {
      .name = (char *)"graph", .origin = (char *)"https://graph.test:443", .proxy = (char *)proxy};
  const char *why = gate_peer_problem(&peer, 0);
  allocations_left = -1;
  return why;
}

static void no_proxy_is_accepted_that_could_not_be_checked(void **state) {
  (void)state;
  assert_null(proxy_problem_after("http://proxy.test:3128", -1));
  assert_null(proxy_problem_after(NULL, 0));
  assert_non_null(proxy_problem_after("socks5://elsewhere.test", -1));
  for (int allocations = 0; allocations < 8; allocations++)
    assert_non_null(proxy_problem_after("socks5://elsewhere.test", allocations));
  for (int allocations = 0; allocations < 4; allocations++)
    assert_non_null(proxy_problem_after("http://proxy.test:3128", allocations));
  assert_string_equal(proxy_problem_after("http://proxy.test:3128", 0),
                      "not enough memory to check the address of its proxy");
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(no_proxy_is_accepted_that_could_not_be_checked)};
  if (curl_global_init_mem(CURL_GLOBAL_NOTHING, some_malloc, free, some_realloc, some_strdup, some_calloc)) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
