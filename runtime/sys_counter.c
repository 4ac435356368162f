/* A 64-bit counter in a file of its own, which every process that uses it maps.
 *
 * It changes only by atomic operations. So two processes cannot lose each
 * other's change, and one that is killed leaves nothing half written.
 */
#include "sys.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "counters shared by processes need lock-free 64-bit atomics");

/* Give a new file its size; whoever else makes it at the same time writes the same zeros. */
static int check_size(int fd, int create) {
  struct stat info;
  if (fstat(fd, &info) != 0) return errno;
  if (info.st_size == sizeof(int64_t)) return 0;
  if (info.st_size != 0 || !create) return EINVAL;
  return ftruncate(fd, sizeof(int64_t)) == 0 ? 0 : errno;
}

int sys_counter_map(int fd, int create, _Atomic int64_t **counter) {
  int code = check_size(fd, create);
  void *mapped = code ? MAP_FAILED : mmap(NULL, sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (!code && mapped == MAP_FAILED) code = errno;
  close(fd);
  *counter = code ? NULL : mapped;
  return code;
}

void sys_counter_unmap(_Atomic int64_t *counter) {
  if (counter) munmap((void *)counter, sizeof *counter);
}
