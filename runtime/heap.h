/* The memory allocator of the Lua state; see heap.c. */
#ifndef HEAP_H
#define HEAP_H

#include <stddef.h>

struct heap;

/* Make a heap; NULL when memory is out. */
struct heap *heap_open(void);

/* Free the heap, after the last state that uses it was closed. */
void heap_close(struct heap *heap);

/* A lua_Alloc whose first argument is the heap. Freed memory is wiped. */
void *heap_allocate(void *heap, void *block, size_t old_size, size_t size);

#endif
