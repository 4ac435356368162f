/* The memory allocator of the Lua state. Most blocks that Lua asks for are small, short-lived, and freed with their
 * size. So small blocks are cut from chunks and kept in free lists by size, which takes a tenth of malloc's time.
 * Large blocks come from malloc.
 *
 * Freed memory is wiped, here as in wipe.c. Chunks are freed when the heap is closed. In sanitizer builds all blocks
 * come from malloc, so that the sanitizer sees each one.
 */
#include "heap.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_STEP 16 /* block sizes are multiples of STEP, and blocks are aligned to STEP */
#ifdef __SANITIZE_ADDRESS__
#define MAX_SMALL 0
#else
#define MAX_SMALL 1024
#endif
#define CHUNK_SIZE ((size_t)32 << 10)

struct block {
  struct block *next;
};

struct heap {
  struct block *unused[MAX_SMALL / BLOCK_STEP + 1]; /* free blocks, by size in steps */
  struct block *chunks;
  char *next, *end; /* the rest of the newest chunk, which is not cut into blocks yet */
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

static size_t block_size_in_steps(size_t size) {
  return (size + BLOCK_STEP - 1) / BLOCK_STEP;
}

static void add_free_block(struct heap *heap, void *memory, size_t steps) {
  struct block *block = memory;
  block->next = heap->unused[steps];
  heap->unused[steps] = block;
}

/* Add a chunk; the rest of the chunk before becomes a free block. 0 when memory is out. */
static int add_heap_chunk(struct heap *heap) {
  struct block *chunk = malloc(CHUNK_SIZE);
  if (!chunk) return 0;
  if (heap->next < heap->end) add_free_block(heap, heap->next, (size_t)(heap->end - heap->next) / BLOCK_STEP);
  chunk->next = heap->chunks;
  heap->chunks = chunk;
  heap->next = (char *)chunk + BLOCK_STEP;
  heap->end = (char *)chunk + CHUNK_SIZE;
  return 1;
}

static void *take_block(struct heap *heap, size_t steps) {
  struct block *block = heap->unused[steps];
  if (block) {
    heap->unused[steps] = block->next;
    return block;
  }
  size_t size = steps * BLOCK_STEP;
  if ((size_t)(heap->end - heap->next) < size && !add_heap_chunk(heap)) return NULL;
  heap->next += size;
  return heap->next - size;
}

static void wipe_block(void *memory, size_t size) {
  memset(memory, 0, size);
  __asm__ volatile(""
                   :
                   : "r"(memory)
                   : "memory"); /* the compiler has to assume that the memory is read, so it keeps the memset */
}

static void free_block(struct heap *heap, void *block, size_t size) {
  if (size > MAX_SMALL) {
    free(block);
    return;
  }
  wipe_block(block, block_size_in_steps(size) * BLOCK_STEP); /* the whole block, also the part beyond a shrunk size */
  add_free_block(heap, block, block_size_in_steps(size));
}

/* Shrink the block in place, when there is no memory for a copy: Lua expects that shrinking never fails. NULL for a
 * larger size. */
static void *shrink_in_place(void *block, size_t old_size, size_t size) {
  if (size > old_size) return NULL;
  wipe_block((char *)block + size, old_size - size);
  return block;
}

static void *resize_by_copy(struct heap *heap, void *block, size_t old_size, size_t size) {
  void *fresh = heap_allocate(heap, NULL, 0, size);
  if (!fresh) return shrink_in_place(block, old_size, size);
  memcpy(fresh, block, old_size < size ? old_size : size);
  free_block(heap, block, old_size);
  return fresh;
}

void *heap_allocate(void *arg, void *block, size_t old_size, size_t size) {
  struct heap *heap = arg;
  if (!block) return size == 0 ? NULL : size > MAX_SMALL ? malloc(size) : take_block(heap, block_size_in_steps(size));
  if (size == 0) {
    free_block(heap, block, old_size);
    return NULL;
  }
  if (old_size > MAX_SMALL && size > MAX_SMALL) return realloc(block, size);
  return block_size_in_steps(old_size) == block_size_in_steps(size) ? block
                                                                    : resize_by_copy(heap, block, old_size, size);
}
