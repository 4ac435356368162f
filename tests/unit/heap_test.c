/* Lua's memory: blocks keep what they hold whatever else is moved and freed, and nothing stays of
 * what was freed. */
#include "heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NEW 4 /* Lua gives the type of a new block in place of its old size */

static int setup(void **state) {
  *state = heap_open();
  return *state ? 0 : -1;
}

static int teardown(void **state) {
  heap_close(*state);
  return 0;
}

struct held {
  unsigned char *bytes;
  size_t size;
  unsigned char letter;
};

static void assert_holds(const struct held *held, size_t size) {
  for (size_t i = 0; i < size; i++) assert_int_equal(held->bytes[i], held->letter);
}

/* Sizes around where the way of allocating changes come as often as any. */
static size_t some_size(void) {
  size_t near = (size_t)(rand() % 5);
  return rand() % 4 == 0 ? 0 : rand() % 4 == 0 ? 1022 + near : (size_t)(rand() % 300) + 1;
}

static void change(void *heap, struct held *held) {
  size_t size = some_size();
  assert_holds(held, held->size);
  held->bytes = heap_allocate(heap, held->bytes, held->bytes ? held->size : NEW, size);
  assert_int_equal((uintptr_t)held->bytes % 16, 0);
  assert_holds(held, size < held->size ? size : held->size);
  held->size = size;
  held->letter = (unsigned char)rand();
  if (size) memset(held->bytes, held->letter, size);
}

static void blocks_keep_what_they_hold(void **state) {
  static struct held all[256];
  memset(all, 0, sizeof all);
  for (int i = 0; i < 200000; i++) change(*state, &all[rand() % 256]);
  for (int i = 0; i < 256; i++) heap_allocate(*state, all[i].bytes, all[i].bytes ? all[i].size : NEW, 0);
}

#ifndef __SANITIZE_ADDRESS__ /* it would see that the test reads what was freed */
static void nothing_stays_of_what_was_freed_or_shrunk(void **state) {
  static const char zeros[64];
  char *block = heap_allocate(*state, NULL, NEW, sizeof zeros);
  memset(block, 'S', sizeof zeros);
  assert_ptr_equal(heap_allocate(*state, block, sizeof zeros, sizeof zeros - 15), block);
  assert_null(heap_allocate(*state, block, sizeof zeros - 15, 0));
  assert_memory_equal(block + sizeof(void *), zeros, sizeof zeros - sizeof(void *)); /* behind the list's pointer */
}
#endif

static void sizes_that_cannot_be_are_refused(void **state) {
  void *block = heap_allocate(*state, NULL, NEW, 16);
#ifndef __SANITIZE_ADDRESS__ /* it ends the test by itself */
  assert_null(heap_allocate(*state, NULL, NEW, SIZE_MAX));
  assert_null(heap_allocate(*state, block, 16, SIZE_MAX - 3));
#endif
  assert_null(heap_allocate(*state, NULL, NEW, 0));
  assert_null(heap_allocate(*state, block, 16, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(blocks_keep_what_they_hold, setup, teardown),
#ifndef __SANITIZE_ADDRESS__
      cmocka_unit_test_setup_teardown(nothing_stays_of_what_was_freed_or_shrunk, setup, teardown),
#endif
      cmocka_unit_test_setup_teardown(sizes_that_cannot_be_are_refused, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
