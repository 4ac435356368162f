/* A 64-bit counter in a file of its own, which several processes map.
 *
 * It changes only by atomic operations: two processes cannot lose each other's change, and a killed process leaves no
 * half-written value.
 */
#include "sys.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "counters shared by processes need lock-free 64-bit atomics");

/* Check the size of the file, and extend a new one. Two processes may extend it at the same time: both write zeros. */
static int check_counter_size(int fd, int create) {
  struct stat info;
  if (fstat(fd, &info) != 0) return errno;
  if (info.st_size == sizeof(int64_t)) return 0;
  if (info.st_size != 0 || !create) return EINVAL;
  return ftruncate(fd, sizeof(int64_t)) == 0 ? 0 : errno;
}

int sys_counter_map(int fd, int create, _Atomic int64_t **counter) {
  int code = check_counter_size(fd, create);
  void *mapped = code ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (!code && mapped == MAP_FAILED) code = errno;
  close(fd);
  *counter = code ? NULL : mapped;
  return code;
}

void sys_counter_unmap(_Atomic int64_t *counter) {
  if (counter) munmap((void *)counter, sizeof *counter);
}
