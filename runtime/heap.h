/* Lua's memory; see heap.c. */
#ifndef HEAP_H
#define HEAP_H

#include <stddef.h>

struct heap;

/* NULL when memory is out. */
struct heap *heap_open(void);

/* After the last state that uses it was closed. */
void heap_close(struct heap *heap);

/* A lua_Alloc, with the heap as its first argument. What is freed is wiped. */
void *heap_allocate(void *heap, void *block, size_t old_size, size_t size);

#endif
