/* The heap of the Lua state: a block keeps its bytes whatever else is moved and freed, and freed bytes are wiped. */
#include "heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LUA_NEW_BLOCK 4 /* Lua passes the type of a new block in place of its old size */

static int open_test_heap(void **state) {
  *state = heap_open();
  return *state ? 0 : -1;
}

static int close_test_heap(void **state) {
  heap_close(*state);
  return 0;
}

struct test_block {
  unsigned char *bytes;
  size_t size;
  unsigned char letter;
};

static void assert_holds(const struct test_block *block, size_t size) {
  for (size_t i = 0; i < size; i++) assert_int_equal(block->bytes[i], block->letter);
}

/* Return a random size; the sizes around the limit of small blocks are as frequent as others. */
static size_t random_size(void) {
  size_t near = (size_t)(rand() % 5);
  return rand() % 4 == 0 ? 0 : rand() % 4 == 0 ? 1022 + near : (size_t)(rand() % 300) + 1;
}

static void resize_randomly(void *heap, struct test_block *block) {
  size_t size = random_size();
  assert_holds(block, block->size);
  block->bytes = heap_allocate(heap, block->bytes, block->bytes ? block->size : LUA_NEW_BLOCK, size);
  assert_int_equal((uintptr_t)block->bytes % 16, 0);
  assert_holds(block, size < block->size ? size : block->size);
  block->size = size;
  block->letter = (unsigned char)rand();
  if (size) memset(block->bytes, block->letter, size);
}

static void blocks_keep_what_they_hold(void **state) {
  static struct test_block all[256];
  memset(all, 0, sizeof all);
  for (int i = 0; i < 200000; i++) resize_randomly(*state, &all[rand() % 256]);
  for (int i = 0; i < 256; i++) heap_allocate(*state, all[i].bytes, all[i].bytes ? all[i].size : LUA_NEW_BLOCK, 0);
}

#ifndef __SANITIZE_ADDRESS__ /* AddressSanitizer reports that the test reads freed memory */
static void nothing_stays_of_what_was_freed_or_shrunk(void **state) {
  static const char zeros[64];
  char *block = heap_allocate(*state, NULL, LUA_NEW_BLOCK, sizeof zeros);
  memset(block, 'S', sizeof zeros);
  assert_ptr_equal(heap_allocate(*state, block, sizeof zeros, sizeof zeros - 15), block);
  assert_null(heap_allocate(*state, block, sizeof zeros - 15, 0));
  assert_memory_equal(block + sizeof(void *), zeros,
                      sizeof zeros - sizeof(void *)); /* after the pointer of the free list */
}
#endif

static void sizes_that_cannot_be_are_refused(void **state) {
  void *block = heap_allocate(*state, NULL, LUA_NEW_BLOCK, 16);
#ifndef __SANITIZE_ADDRESS__ /* AddressSanitizer ends the test */
  assert_null(heap_allocate(*state, NULL, LUA_NEW_BLOCK, SIZE_MAX));
  assert_null(heap_allocate(*state, block, 16, SIZE_MAX - 3));
#endif
  assert_null(heap_allocate(*state, NULL, LUA_NEW_BLOCK, 0));
  assert_null(heap_allocate(*state, block, 16, 0));
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(blocks_keep_what_they_hold, open_test_heap, close_test_heap),
#ifndef __SANITIZE_ADDRESS__
      cmocka_unit_test_setup_teardown(nothing_stays_of_what_was_freed_or_shrunk, open_test_heap, close_test_heap),
#endif
      cmocka_unit_test_setup_teardown(sizes_that_cannot_be_are_refused, open_test_heap, close_test_heap),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
