/* Preloaded into a program by a test: lets allocations fail from number NO_MEMORY_AT since main began, NO_MEMORY_FOR
 * of them (1 when that is not said; Lua tries again after it has collected garbage, so one is little to it), and writes
 * to the file NO_MEMORY_COUNT how many there were, and how many of them before the first connection (0: there was
 * none). What libraries allocate before main is not counted: a failure there is not the program's to tell. */
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
static long count, connected, chosen, lasting;
static int begun;
static char counted[4096]; /* the file; the program wipes its environment */

/* dlsym itself may allocate, before the next functions are known. */
static char early[1 << 16];
static size_t early_used;

static void *take_early(size_t size) {
  void *block = early + early_used;
  early_used += (size + 15) & ~(size_t)15;
  if (early_used > sizeof early) abort();
  return block;
}

/* ISO C knows no conversion from dlsym's object pointer to a function's. */
static void find(const char *name, void *function) {
  void *symbol = dlsym(RTLD_NEXT, name);
  memcpy(function, &symbol, sizeof symbol);
}

static int find_all(void) {
  static int busy;
  if (next_malloc) return 1;
  if (busy) return 0;
  busy = 1;
  find("calloc", &next_calloc);
  find("realloc", &next_realloc);
  find("malloc", &next_malloc);
  busy = 0;
  return next_malloc != NULL;
}

static int fails(void) {
  if (!__atomic_load_n(&begun, __ATOMIC_RELAXED)) return 0;
  long number = __atomic_add_fetch(&count, 1, __ATOMIC_RELAXED);
  if (!chosen || number < chosen || number >= chosen + lasting) return 0;
  errno = ENOMEM;
  return 1;
}

void *malloc(size_t size) {
  if (!find_all()) return take_early(size);
  return fails() ? NULL : next_malloc(size);
}

void *calloc(size_t number, size_t size) {
  if (!find_all()) return take_early(number * size);
  return fails() ? NULL : next_calloc(number, size);
}

void *realloc(void *block, size_t size) {
  if (!find_all()) abort();
  return fails() ? NULL : next_realloc(block, size);
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
  if (!next_connect) find("connect", &next_connect);
  if (!connected && address->sa_family != AF_UNIX) connected = __atomic_load_n(&count, __ATOMIC_RELAXED);
  return next_connect(fd, address, length);
}

static void write_count(void) {
  char text[64];
  int length = snprintf(text, sizeof text, "%ld %ld\n", count, connected);
  int fd = open(counted, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0 || write(fd, text, (size_t)length) != length) abort();
  close(fd);
}

static int begin(int words, char **arguments, char **environment) {
  const char *at = getenv("NO_MEMORY_AT"), *most = getenv("NO_MEMORY_FOR"), *file = getenv("NO_MEMORY_COUNT");
  chosen = at ? strtol(at, NULL, 10) : 0;
  lasting = most ? strtol(most, NULL, 10) : 1;
  if (file) snprintf(counted, sizeof counted, "%s", file);
  unsetenv("LD_PRELOAD"); /* not for the programs that this one starts */
  begun = 1;
  int status = real_main(words, arguments, environment);
  begun = 0;
  if (*counted) write_count();
  return status;
}

int __libc_start_main(main_function *, int, char **, void (*)(void), void (*)(void), void (*)(void), void *);
int __libc_start_main(main_function *program, int words, char **arguments, void (*init)(void), void (*fini)(void),
                      void (*loader)(void), void *stack) {
  start_function *next;
  find("__libc_start_main", &next);
  real_main = program;
  return next(begin, words, arguments, init, fini, loader, stack);
}
