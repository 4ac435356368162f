/* The outcome of a transfer that libcurl ends for lack of memory: libcurl says so of a line beyond its limits, too. */
#include "http_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Let malloc return NULL, as it does without the sanitizer. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
  return "allocator_may_return_null=1";
}

static struct transfer transfer_in_headers(void) {
  struct transfer transfer = {.easy = curl_easy_init(),
                              .ready_count = 1,
                              .memory_failures = http_memory_failures(),
                              .route.host = "graph.test"};
  assert_non_null(transfer.easy);
  transfer.frame.in_headers = 1;
  return transfer;
}

/* Let libcurl ask for more memory than there is. */
static void lack_memory(CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)1 << 60);
  assert_int_equal(CURLE_OUT_OF_MEMORY, curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, "x"));
}

static void a_line_that_is_too_long_is_the_answers_fault(void **state) {
  (void)state;
  struct transfer transfer = transfer_in_headers();
  http_judge_outcome(&transfer, CURLE_OUT_OF_MEMORY);
  assert_string_equal("too_large", transfer.kind);
  assert_string_equal("the answer of graph.test is refused: it has a header line that is too long", transfer.message);
  curl_easy_cleanup(transfer.easy);
}

static void a_lack_of_memory_is_told_as_that(void **state) {
  (void)state;
  struct transfer transfer = transfer_in_headers();
  lack_memory(transfer.easy);
  http_judge_outcome(&transfer, CURLE_OUT_OF_MEMORY);
  assert_string_equal("memory", transfer.kind);
  assert_string_equal("not enough memory while waiting for graph.test", transfer.message);
  curl_easy_cleanup(transfer.easy);
}

static void a_lack_of_memory_for_a_trailer_is_told_as_that(void **state) {
  (void)state;
  struct transfer transfer = transfer_in_headers();
  strcpy(transfer.error, "Out of memory in chunked-encoding");
  lack_memory(transfer.easy);
  http_judge_outcome(&transfer, CURLE_RECV_ERROR);
  assert_string_equal("memory", transfer.kind);
  curl_easy_cleanup(transfer.easy);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_line_that_is_too_long_is_the_answers_fault),
      cmocka_unit_test(a_lack_of_memory_is_told_as_that),
      cmocka_unit_test(a_lack_of_memory_for_a_trailer_is_told_as_that),
  };
  if (!http_memory_init()) return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
