/* The memory of libcurl. libcurl reports a limit that an answer exceeds, such as the length of a header line, with the
 * code for lack of memory. Whether memory was lacking is known here: the functions count what could not be had.
 */
#include "http_internal.h"

#include <stdlib.h>
#include <string.h>

/* One per process, as libcurl's memory functions are. Atomic, because threads of libcurl look names up. */
static _Atomic unsigned long failure_count;

static void *count_failure(void *block) {
  if (!block) failure_count++;
  return block;
}

static void *allocate(size_t size) {
  return count_failure(malloc(size));
}

static void *resize(void *block, size_t size) {
  return count_failure(realloc(block, size));
}

static char *copy_text(const char *text) {
  return count_failure(strdup(text));
}

static void *allocate_zeroed(size_t count, size_t size) {
  return count_failure(calloc(count, size));
}

int http_memory_init(void) {
  return curl_global_init_mem(CURL_GLOBAL_DEFAULT, allocate, free, resize, copy_text, allocate_zeroed) == CURLE_OK;
}

unsigned long http_memory_failures(void) {
  return failure_count;
}
