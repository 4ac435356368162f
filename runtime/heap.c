/* Lua's memory. Most blocks that Lua asks for are small, short-lived, and freed with their size. So small
 * blocks are cut from chunks and kept in lists by size, which takes a tenth of malloc's time. Large blocks come
 * from malloc.
 *
 * Freed memory is wiped, here as in wipe.c. Chunks are freed when the heap is closed. In sanitizer builds all
 * blocks come from malloc, so that the sanitizer sees each one.
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

/* Add a chunk; the rest of the one before becomes a block. */
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
  __asm__ volatile("" : : "r"(memory) : "memory"); /* the compiler must assume that it is read */
}

static void release(struct heap *heap, void *block, size_t size) {
  if (size > LARGEST) {
    free(block);
    return;
  }
  wipe(block, steps_of(size) * STEP); /* also the part that it was shrunk by */
  give(heap, block, steps_of(size));
}

/* Shrinking must not fail: without memory for a copy the block stays. */
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
