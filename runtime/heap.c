/* Lua's memory. Most of what Lua asks for is small, is let go of soon, and is given back
 * with its size; so small blocks are cut from chunks and lie in lists by their size, which
 * takes a tenth of what malloc takes. Large ones are malloc's.
 *
 * What is freed is wiped, here as in wipe.c. Chunks go when the heap is closed. In builds
 * with a sanitizer all blocks are malloc's, so that it sees each.
 */
#include "heap.h"

#include <stdlib.h>
#include <string.h>

#define STEP 16 /* sizes are multiples of it, and blocks are aligned to it */
#ifdef __SANITIZE_ADDRESS__
#define LARGEST 0
#else
#define LARGEST 1024
#endif
#define CHUNK ((size_t)32 << 10)

struct block {
  struct block *next;
};

struct heap {
  struct block *unused[LARGEST / STEP + 1]; /* by size, in steps */
  struct block *chunks;
  char *next, *end; /* what is not cut yet of the newest chunk */
};

struct heap *heap_open(void) {
  return calloc(1, sizeof(struct heap));
}

void heap_close(struct heap *heap) {
  while (heap->chunks) {
    struct block *chunk = heap->chunks;
    heap->chunks = chunk->next;
    free(chunk);
  }
  free(heap);
}

static size_t steps_of(size_t size) {
  return (size + STEP - 1) / STEP;
}

static void give(struct heap *heap, void *memory, size_t steps) {
  struct block *block = memory;
  block->next = heap->unused[steps];
  heap->unused[steps] = block;
}

/* A new chunk; what is left of the one before becomes a block. */
static int add_chunk(struct heap *heap) {
  struct block *chunk = malloc(CHUNK);
  if (!chunk) return 0;
  if (heap->next < heap->end) give(heap, heap->next, (size_t)(heap->end - heap->next) / STEP);
  chunk->next = heap->chunks;
  heap->chunks = chunk;
  heap->next = (char *)chunk + STEP;
  heap->end = (char *)chunk + CHUNK;
  return 1;
}

static void *take(struct heap *heap, size_t steps) {
  struct block *block = heap->unused[steps];
  if (block) {
    heap->unused[steps] = block->next;
    return block;
  }
  size_t size = steps * STEP;
  if ((size_t)(heap->end - heap->next) < size && !add_chunk(heap)) return NULL;
  heap->next += size;
  return heap->next - size;
}

static void wipe(void *memory, size_t size) {
  memset(memory, 0, size);
  __asm__ volatile("" : : "r"(memory) : "memory"); /* it is looked at, for all the compiler knows */
}

static void release(struct heap *heap, void *block, size_t size) {
  if (size > LARGEST) {
    free(block);
    return;
  }
  wipe(block, steps_of(size) * STEP); /* also what it was shrunk by */
  give(heap, block, steps_of(size));
}

/* Shrinking must not fail: without memory the block stays where it is. */
static void *stay(void *block, size_t old_size, size_t size) {
  if (size > old_size) return NULL;
  wipe((char *)block + size, old_size - size);
  return block;
}

static void *move(struct heap *heap, void *block, size_t old_size, size_t size) {
  void *fresh = heap_allocate(heap, NULL, 0, size);
  if (!fresh) return stay(block, old_size, size);
  memcpy(fresh, block, old_size < size ? old_size : size);
  release(heap, block, old_size);
  return fresh;
}

void *heap_allocate(void *arg, void *block, size_t old_size, size_t size) {
  struct heap *heap = arg;
  if (!block) return size == 0 ? NULL : size > LARGEST ? malloc(size) : take(heap, steps_of(size));
  if (size == 0) {
    release(heap, block, old_size);
    return NULL;
  }
  if (old_size > LARGEST && size > LARGEST) return realloc(block, size);
  return steps_of(old_size) == steps_of(size) ? block : move(heap, block, old_size, size);
}
