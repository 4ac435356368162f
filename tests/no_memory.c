/* A library that a test preloads into a program: allocations fail from number NO_MEMORY_AT on, counted from the start
 * of main, NO_MEMORY_FOR of them (1 by default; Lua collects garbage and tries again, so one failure has little
 * effect). At the end two numbers are written to the file NO_MEMORY_COUNT: of the allocations, and of those before the
 * first connection (0 without a connection). Allocations before main are not counted: the program cannot report their
 * failure. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef int main_function(int count, char **words, char **environment);
typedef int start_function(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);

static void *(*next_malloc)(size_t), *(*next_calloc)(size_t, size_t), *(*next_realloc)(void *, size_t);
static main_function *real_main;
static int (*next_connect)(int, const struct sockaddr *, socklen_t);
static long count, count_at_connect, first_failing, failing_count;
static int in_main;
static char count_file[4096]; /* kept here, because the program removes the variable */

/* Memory for dlsym, which may allocate before the next functions are known. */
static char early_memory[1 << 16];
static size_t early_used;

static void *allocate_early(size_t size) {
  void *block = early_memory + early_used;
  early_used += (size + 15) & ~(size_t)15;
  if (early_used > sizeof early_memory) abort();
  return block;
}

/* memcpy, because ISO C cannot convert dlsym's object pointer to a function pointer. */
static void find_next_function(const char *name, void *function) {
  void *symbol = dlsym(RTLD_NEXT, name);
  memcpy(function, &symbol, sizeof symbol);
}

static int find_allocators(void) {
  static int busy;
  if (next_malloc) return 1;
  if (busy) return 0;
  busy = 1;
  find_next_function("calloc", &next_calloc);
  find_next_function("realloc", &next_realloc);
  find_next_function("malloc", &next_malloc);
  busy = 0;
  return next_malloc != NULL;
}

static int allocation_fails(void) {
  if (!__atomic_load_n(&in_main, __ATOMIC_RELAXED)) return 0;
  long number = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
  if (!first_failing || number < first_failing || number >= first_failing + failing_count) return 0;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t size) {
  if (!find_allocators()) return allocate_early(size);
  return allocation_fails() ? NULL : next_malloc(size);
}

void *calloc(size_t number, size_t size) {
  if (!find_allocators()) return allocate_early(number * size);
  return allocation_fails() ? NULL : next_calloc(number, size);
}

void *realloc(void *block, size_t size) {
  if (!find_allocators()) abort();
  return allocation_fails() ? NULL : next_realloc(block, size);
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
  if (!next_connect) find_next_function("connect", &next_connect);
  if (!count_at_connect && address->sa_family != AF_UNIX) count_at_connect = __atomic_load_n(&count, __ATOMIC_RELAXED);
  return next_connect(fd, address, length);
}

static void write_counts(void) {
  char text[64];
  int length = snprintf(text, sizeof text, "%ld %ld\n", count, count_at_connect);
  int fd = open(count_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, text, (size_t)length) != length) abort();
  close(fd);
}

static int main_with_failures(int words, char **arguments, char **environment) {
  const char *at = getenv("NO_MEMORY_AT"), *failures = getenv("NO_MEMORY_FOR"), *file = getenv("NO_MEMORY_COUNT");
  first_failing = at ? strtol(at, NULL, 10) : 0;
  failing_count = failures ? strtol(failures, NULL, 10) : 1;
  if (file) snprintf(count_file, sizeof count_file, "%s", file);
  unsetenv("LD_PRELOAD"); /* not inherited by programs that this one starts */
  in_main = 1;
  int status = real_main(words, arguments, environment);
  in_main = 0;
  if (*count_file) write_counts();
  return status;
}

int __libc_start_main(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);
int __libc_start_main(main_function *program, int words, char **arguments, void (*init)(void), void (*fini)(void),
                      void (*loader)(void), void *stack) {
  start_function *next;
  find_next_function("__libc_start_main", &next);
  real_main = program;
  return next(main_with_failures, words, arguments, init, fini, loader, stack);
}
