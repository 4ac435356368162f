/* Wipe all memory that is freed: this program's free and realloc replace those of the C library, so that memory of
 * curl, OpenSSL, nghttp2, SQLite, cjson and Lua is wiped too. Not part of sanitizer builds. */
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Exported by glibc; no header declares them. */
void *__libc_malloc(size_t size);
void __libc_free(void *block);

void free(void *block) {
  if (!block) return;
  memset(block, 0, malloc_usable_size(block));
  __asm__ volatile(""
                   :
                   : "r"(block)
                   : "memory"); /* the compiler has to assume that the memory is read, so it keeps the memset */
  __libc_free(block);
}

void *realloc(void *block, size_t size) {
  if (!block) return __libc_malloc(size);
  if (size == 0) {
    free(block);
    return NULL;
  }
  size_t old = malloc_usable_size(block);
  if (size <= old && size >= old / 2) return block;
  void *fresh = __libc_malloc(size);
  if (!fresh) return size <= old ? block : NULL; /* shrinking in place: callers do not expect that it fails */
  memcpy(fresh, block, old < size ? old : size);
  free(block);
  return fresh;
}

void *reallocarray(void *block, size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  return realloc(block, total);
}
