/* Wiping what is freed, everywhere: this program's own free and realloc stand
 * before the C library's, so that curl, OpenSSL, nghttp2, SQLite, cjson and
 * Lua all leave nothing behind. Left out of sanitizer builds. */
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
  __asm__ volatile("" : : "r"(block) : "memory"); /* it is looked at, for all the compiler knows */
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
  if (!fresh) return size <= old ? block : NULL; /* shrinking must not fail */
  memcpy(fresh, block, old < size ? old : size);
  free(block);
  return fresh;
}

void *reallocarray(void *block, size_t count, size_t size) {
  size_t total;
  if (__builtin_mul_overflow(count, size, &total)) return NULL;
  return realloc(block, total);
}
